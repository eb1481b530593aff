/**
 * Traces by OpenTelemetry, when configured. The SDK is loaded only then.
 *
 * Security: spans carry ids, configured names and codes (set in `access.ts`), and the resource names this program
 * alone; detectors that would read the environment or the command line are not used.
 */
import { trace } from '@opentelemetry/api'

export interface Tracing {
  /** Sends what is left. */
  stop(): Promise<void>
}

/** Begins exporting over OTLP/HTTP; without configuration spans cost next to nothing and go nowhere. */
export async function startTracing(tracing: { readonly otlp: string } | undefined): Promise<Tracing> {
  if (tracing === undefined) return { stop: async () => undefined }
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace')
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http')
  const { resourceFromAttributes } = await import('@opentelemetry/resources')
  const exporter = new OTLPTraceExporter({ url: `${tracing.otlp.replace(/\/$/, '')}/v1/traces` })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'mandate' }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  })
  trace.setGlobalTracerProvider(provider)
  return { stop: () => provider.shutdown() }
}
