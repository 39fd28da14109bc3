// Read by lux.js when it starts.
const { url } = document.currentScript.dataset;
self.LUX = {
  beaconUrl: url, beaconUrlV2: url, errorBeaconUrl: url, customerid: 'shop', samplerate: 100, auto: true,
};
