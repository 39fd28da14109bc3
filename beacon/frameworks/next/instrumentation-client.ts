import { start } from 'plimsoll-beacon';

import { patterns } from './app/patterns';

start({
  app: 'shop',
  url: process.env.NEXT_PUBLIC_VITALS ?? '/vitals/rum',
  release: process.env.NEXT_PUBLIC_RELEASE,
  route: (url) => patterns.get(url.pathname),
});
