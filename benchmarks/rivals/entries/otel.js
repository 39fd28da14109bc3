// OpenTelemetry's browser instrumentation of web vitals, sent as logs by OTLP.
import { WebVitalsInstrumentation } from '@opentelemetry/browser-instrumentation/experimental/web-vitals';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';

const { url } = document.currentScript.dataset;
const exporter = new OTLPLogExporter({ url });
const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
new WebVitalsInstrumentation().setLoggerProvider(provider);
