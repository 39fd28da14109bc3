/** How a beacon leaves: armed while the page lives, at once when it is hidden. */

interface Later extends RequestInit {
  activateAfter?: number;
}

declare global {
  interface Window {
    fetchLater?: (url: string, init?: Later) => unknown;
  }
}

// A string is `text/plain`, so no preflight is asked for; nothing is to be read from the answer.
const request = (body: string, more: RequestInit): RequestInit => ({
  method: 'POST',
  body,
  mode: 'no-cors',
  credentials: 'omit',
  // The whole address would stand in the logs of an endpoint of the same origin.
  referrerPolicy: 'strict-origin',
  ...more,
});

/** The beacon that the browser holds; it is sent even when the renderer crashes. */
let armed: AbortController | undefined;

/** Whether the browser can hold a beacon: Chromium. */
export const canHold = (): boolean => !!self.fetchLater;

/** Take back what the browser holds. */
export const disarm = (): void => armed?.abort();

/** Have the browser hold this body in place of the one before. */
export const arm = (url: string, body: string): void => {
  disarm();
  armed = new AbortController();
  try {
    self.fetchLater!(url, request(body, { signal: armed.signal }));
  } catch { /* over its quota, or no secure address: what is hidden is still sent */ }
};

/** Send now; outlives the page. */
export const send = (url: string, body: string): void => {
  disarm();
  const last = () => navigator.sendBeacon?.(url, body);
  // It takes the site's cookies along and is what blockers look for: only where nothing else is.
  if ('keepalive' in Request.prototype) fetch(url, request(body, { keepalive: true })).catch(last);
  else last();
};
