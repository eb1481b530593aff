/** A dashboard as the ConfigMap that Grafana's sidecar looks for. */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import { stringify } from 'yaml'

/** The sidecar of Grafana's charts loads every ConfigMap with this label. */
const LABELS = { grafana_dashboard: '1', 'app.kubernetes.io/name': 'mandate', 'app.kubernetes.io/part-of': 'mandate' }

/** YAML that `kubectl apply -f` takes. Its only key is the name of the file that Grafana gets, holding `json`. */
export function configMap({ uid = '' }: Dashboard, json: string): string {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `dashboard-${uid}`, namespace: 'observability', labels: LABELS },
    data: { [`${uid}.json`]: json },
  }
  return `# Written by \`node scripts/observability.ts\`. Change the code, then run it.\n${stringify(object, { lineWidth: 0 })}`
}
