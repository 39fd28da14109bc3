// Elastic APM RUM with its defaults.
import { init } from '@elastic/apm-rum';

init({ serviceName: 'shop', serverUrl: new URL(document.currentScript.dataset.url).origin });
