// A shop of two pages with Vue Router.
import { createApp, h } from 'vue';
import { createRouter, createWebHistory, RouterLink, RouterView, useRoute } from 'vue-router';

import { measure } from './vitals.js';

const large = (text) => h('h1', { style: 'font-size: 60px' }, text);
const Home = { render: () => large('The shop, in large letters') };
const Product = {
  setup: () => {
    const route = useRoute();
    return () => large(`The product ${route.params.slug}, in large letters`);
  },
};

const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: Home },
    { path: '/products', children: [{ path: ':slug', component: Product }] },
  ],
});

measure(router, { app: 'shop', url: `${self.receiver}/rum`, release: 'web@1.4.2' });
createApp({
  render: () => [h(RouterLink, { id: 'to', to: '/products/blue-shirt' }, () => 'a shirt'), h(RouterView)],
}).use(router).mount('#root');
