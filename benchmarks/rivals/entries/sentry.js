// Sentry with browser tracing, every page view sampled; web vitals are spans of it.
import { browserTracingIntegration, init } from '@sentry/browser';

const { host } = new URL(document.currentScript.dataset.url);
init({ dsn: `http://a@${host}/1`, integrations: [browserTracingIntegration()], tracesSampleRate: 1 });
