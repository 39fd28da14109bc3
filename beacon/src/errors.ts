/** Errors of the page: few, short, and without the queries of addresses. */

const MOST = 5;
const MESSAGE_CHARACTERS = 160;
const STACK_LINES = 5;
const STACK_CHARACTERS = 600;

/** An error as it is sent, but for its address, which becomes a route when it is. */
export interface Caught {
  m: string;
  s?: string;
  u: string;
}

// Queries and fragments carry tokens and names.
const plain = (text: unknown): string => String(text).replace(/(\w:\/\/[^\s?#]*)[?#][^\s):]*/g, '$1');

/** Tell of the first five different errors of this view. */
export const watchErrors = (tell: (error: Caught) => void): void => {
  const seen = new Set<string>();
  const caught = (message: unknown, error: { stack?: unknown } | null | undefined) => {
    const m = plain(message).slice(0, MESSAGE_CHARACTERS);
    if (seen.size >= MOST || seen.has(m)) return;
    seen.add(m);
    const stack = error && error.stack;
    tell({
      m,
      s: stack ? plain(stack).split('\n', STACK_LINES).join('\n').slice(0, STACK_CHARACTERS) : undefined,
      u: location.href,
    });
  };
  // Resources that fail to load come without a message, and not to this phase.
  addEventListener('error', (event) => event.message && caught(event.message, event.error));
  addEventListener('unhandledrejection', ({ reason }) => caught(reason?.message || reason, reason));
};
