import { start } from 'plimsoll-beacon';
import { matchRoutes } from 'react-router';

// '/products/:slug': the paths of the nested routes that match, put together.
const pattern = (matches) =>
  matches && `/${matches.flatMap(({ route }) => (route.path ?? '').split('/')).filter(Boolean).join('/')}`;

export const measure = (routes, settings) =>
  start({ ...settings, route: (url) => pattern(matchRoutes(routes, url.pathname)) });
