/** The route of an address: what the framework calls it, else the path with ids taken out. */

import type { Settings } from '../beacon.js';

const MOST_CHARACTERS = 200;

// A segment that looks like an id: digits, long hex, UUID, an address, 40 and more characters.
const ID = /\/(\d+|[\da-f]{8,}|[\da-f-]{32,36}|[^/]*(@|%40)[^/]*|[^/]{40,})(?=\/|$)/gi;

/** A path without ids. */
export const withoutIds = (path: string): string => path.replace(ID, '/:id');

declare global {
  interface Window {
    /** The hook of a page that loads the script: the pattern of an address. */
    rumRoute?: Settings['route'];
  }
}

/** At most 200 characters, without query and fragment; `/` when the address is none. */
export const routeOf = (address: string, hook: Settings['route']): string => {
  let path = '/', pattern;
  try {
    const url = new URL(address);
    path = url.pathname;
    pattern = (hook || self.rumRoute)?.(url);
  } catch { /* no address, or a hook that fails: neither may break the page */ }
  return String(pattern || withoutIds(path)).slice(0, MOST_CHARACTERS);
};
