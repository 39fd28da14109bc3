// The control: what many pages have, web-vitals and one sendBeacon when the page is hidden.
import { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals';

const { url } = document.currentScript.dataset;
const metrics = {};
for (const observe of [onCLS, onINP, onLCP, onFCP, onTTFB]) {
  observe(({ id, name, value }) => { metrics[id] = { n: name, v: value }; });
}
addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') navigator.sendBeacon(url, JSON.stringify(Object.values(metrics)));
});
