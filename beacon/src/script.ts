/** The settings of a script, from its attributes. */

import type { Settings } from '../beacon.js';

/** Start with what the script that runs says of itself. */
export const run = (start: (settings: Settings) => void): void => {
  const script = document.currentScript as HTMLScriptElement | null;
  const { app, url, release, rate, softNavs, errors, gpc }: DOMStringMap = script?.dataset ?? {};
  start({
    app, release,
    url: url || new URL('rum', script?.src || location.origin).href,
    rate: rate ? +rate : 1,
    softNavs: softNavs != '0', errors: errors != '0', gpc: gpc != null && gpc != '0',
  });
};
