// A shop of two pages with React Router.
import React, { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createBrowserRouter, Link, Outlet, RouterProvider, useParams } from 'react-router';

import { measure } from './vitals.js';

const Home = () => <h1 style={{ fontSize: 60 }}>The shop, in large letters</h1>;
const Product = () => <h1 style={{ fontSize: 60 }}>The product {useParams().slug}, in large letters</h1>;
const Layout = () => <><Link id="to" to="/products/blue-shirt">a shirt</Link><Outlet /></>;

const routes = [{
  path: '/', element: <Layout />,
  children: [{ index: true, element: <Home /> }, { path: 'products', children: [{ path: ':slug', element: <Product /> }] }],
}];

measure(routes, { app: 'shop', url: `${self.receiver}/rum`, release: 'web@1.4.2' });
createRoot(document.getElementById('root')).render(
  <StrictMode><RouterProvider router={createBrowserRouter(routes)} /></StrictMode>,
);
