import Link from 'next/link';
import type { ReactNode } from 'react';

import { Patterns } from './patterns';

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <Patterns />
        <Link id="to" href="/products/blue-shirt">a shirt</Link>
        {children}
      </body>
    </html>
  );
}
