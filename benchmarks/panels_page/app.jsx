// Draws the panels of panels.json with Grafana's own components: TimeSeries, BigValue, BarGauge and
// Table of @grafana/ui, over frames as Grafana's Prometheus data source makes them. What they then
// show, and which bands they found, is left in `window.report`.
import React, { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import {
  FieldConfigOptionsRegistry, ThemeContext, applyFieldOverrides, createTheme, dateTime,
  formattedValueToString, getFieldDisplayName, getFieldDisplayValues, standardTransformers,
  standardTransformersRegistry, toDataFrame, transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, Table, TimeSeries } from '@grafana/ui';
import shelves from './panels.json';

const CUSTOM = [
  'align', 'axisPlacement', 'axisSoftMin', 'cellOptions', 'drawStyle', 'fillBelowTo', 'fillOpacity',
  'hideFrom', 'inspect', 'lineStyle', 'lineWidth', 'showPoints', 'spanNulls', 'stacking',
  'thresholdsStyle',
];
const STANDARD = ['color', 'displayName', 'links', 'mappings', 'min', 'noValue', 'thresholds', 'unit'];

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((one) => ({
    id: one.id, name: one.name, transformation: async () => one, editor: () => null,
    imageDark: '', imageLight: '',
  }))
);
const registry = new FieldConfigOptionsRegistry();
const register = (id, path, isCustom) => registry.register({
  id, path, name: path, isCustom, process: (value) => value, shouldApply: () => true, settings: {},
});
CUSTOM.forEach((path) => register(`custom.${path}`, path, true));
STANDARD.forEach((path) => register(path, path, false));

const theme = createTheme({ colors: { mode: 'dark' } });
window.report = {};

function made(panel) {
  return panel.frames.map((one) => toDataFrame({
    refId: one.refId,
    fields: one.fields.map((field) => ({
      ...field,
      config: field.shown ? { displayNameFromDS: field.shown } : {},
    })),
  }));
}

function styled(panel, frames) {
  return applyFieldOverrides({
    data: frames,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
}

function shown(panel, frames) {
  return frames.flatMap((frame) => frame.fields.filter((one) => one.type === 'number').map((field) => {
    const last = field.values[field.values.length - 1];
    return [getFieldDisplayName(field, frame, frames), formattedValueToString(field.display(last))];
  }));
}

function Curves({ panel, frames, width, height }) {
  const [from, to] = [dateTime(panel.from), dateTime(panel.to)];
  return (
    <TimeSeries frames={frames} width={width} height={height} timeZone="utc"
      timeRange={{ from, to, raw: { from, to } }} legend={panel.options.legend}>
      {(plot) => {
        window.report[panel.title].bands = (plot.getConfig().bands || []).map((band) => band.series);
        return null;
      }}
    </TimeSeries>
  );
}

function values(panel, frames) {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, data: frames,
    replaceVariables: (text) => text, theme, timeZone: 'utc', sparkline: panel.type === 'stat',
  });
}

function Stat({ panel, frames, width, height }) {
  const [value] = values(panel, frames);
  window.report[panel.title].values = [[value.display.text + (value.display.suffix || ''), value.display.color]];
  return (
    <BigValue value={value.display} sparkline={panel.options.graphMode === 'area' ? value.sparkline : undefined}
      colorMode={panel.options.colorMode} graphMode={panel.options.graphMode}
      justifyMode={panel.options.justifyMode} textMode={panel.options.textMode}
      width={width} height={height} theme={theme} />
  );
}

function Bars({ panel, frames, width, height }) {
  const all = values(panel, frames);
  window.report[panel.title].values = all.map((one) => [one.display.title, one.display.text, one.display.color]);
  const each = Math.floor(height / all.length) - 6;
  return all.map((one, index) => (
    <div key={index} style={{ marginBottom: 6 }}>
      <BarGauge value={one.display} field={one.field} display={one.view?.getFieldDisplayProcessor(one.colIndex)}
        orientation={panel.options.orientation} displayMode={panel.options.displayMode}
        showUnfilled={panel.options.showUnfilled} valueDisplayMode={panel.options.valueMode}
        namePlacement={panel.options.namePlacement} width={width} height={each} theme={theme} />
    </div>
  ));
}

function Rows({ panel, frames, width, height }) {
  const frame = frames[0];
  window.report[panel.title].columns = frame.fields
    .filter((one) => !one.config.custom?.hideFrom?.viz)
    .map((one) => getFieldDisplayName(one, frame, frames));
  window.report[panel.title].rows = frame.length;
  return <Table data={frame} width={width} height={height} initialSortBy={panel.options.sortBy} />;
}

// A component that fails leaves its place empty and its reason in the report.
class Boundary extends React.Component {
  state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  componentDidCatch(error, info) {
    window.report[this.props.title].failed = `${error} ${info.componentStack.slice(0, 400)}`;
  }

  render() {
    return this.state.failed ? null : this.props.children;
  }
}

const KINDS = { timeseries: Curves, stat: Stat, bargauge: Bars, table: Rows };

function Panel({ panel }) {
  const [frames, setFrames] = useState(null);
  useEffect(() => {
    const steps = panel.transformations || [];
    const subscription = transformDataFrame(steps, made(panel)).subscribe((found) => {
      const done = styled(panel, found);
      window.report[panel.title] = { type: panel.type, shown: shown(panel, done) };
      setFrames(done);
    });
    return () => subscription.unsubscribe();
  }, []);
  const Kind = KINDS[panel.type];
  return (
    <div className="panel" style={{ width: panel.width, height: panel.height }}>
      <h2>{panel.title}</h2>
      <Boundary title={panel.title}>
        {frames && <Kind panel={panel} frames={frames} width={panel.width - 18} height={panel.height - 42} />}
      </Boundary>
    </div>
  );
}

createRoot(document.getElementById('dashboard')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {shelves.map((shelf, index) => (
      <div className="shelf" id={shelf.name} key={index}>
        {shelf.panels.map((panel) => <Panel panel={panel} key={panel.title} />)}
      </div>
    ))}
  </ThemeContext.Provider>
);
