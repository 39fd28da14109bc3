// SpeedCurve's lux.js, every page view sampled.
import './lux-settings.js';
import '@speedcurve/lux/dist/lux.es2020.js';
