import { start } from 'plimsoll-beacon';

export const measure = (router, settings) =>
  start({ ...settings, route: (url) => router.resolve(url.pathname).matched.at(-1)?.path });
