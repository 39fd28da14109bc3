'use client';

import { useParams, usePathname } from 'next/navigation';

/** The pattern of every address that was shown: Next.js tells a browser only the values. */
export const patterns = new Map<string, string>();

export function Patterns() {
  const pathname = usePathname();
  const names = Object.entries(useParams()).flatMap(([name, values]) =>
    [values ?? []].flat().map((value) => [decodeURIComponent(value), `:${name}`] as const));
  const known = new Map(names);
  patterns.set(pathname, pathname.split('/').map((one) => known.get(decodeURIComponent(one)) ?? one).join('/'));
  return null;
}
