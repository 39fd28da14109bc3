// Grafana Faro with its default instrumentations.
import { getWebInstrumentations, initializeFaro } from '@grafana/faro-web-sdk';

const { url } = document.currentScript.dataset;
initializeFaro({ app: { name: 'shop' }, url, instrumentations: getWebInstrumentations() });
