/**
 * Writes the dashboards under deploy/observability, as JSON for Grafana and as one ConfigMap each:
 * `node scripts/observability.ts`. With `--check` it writes nothing and fails when a file differs;
 * `test/house/observability.test.ts` checks the same.
 */
import { resolve } from 'node:path'
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import { type Generated, writeOrCheck } from './generated.ts'
import { configMap } from './observability/config-map.ts'
import { kubernetesBoard } from './observability/kubernetes.ts'
import { machinesBoard } from './observability/machines.ts'
import { oauth2ProxyBoard } from './observability/oauth2-proxy-auth.ts'
import { signInsBoard } from './observability/sign-ins.ts'
import { tokensBoard } from './observability/tokens.ts'
import { jsonText } from './reference/json-text.ts'

const FOLDER = resolve(import.meta.dirname, '../deploy/observability')

/** Every dashboard, in the order of the guide. */
export const DASHBOARDS: readonly Dashboard[] = [signInsBoard(), machinesBoard(), tokensBoard(), kubernetesBoard(), oauth2ProxyBoard()]

/** What each generated file must be, by its path. */
export function observabilityFiles(): Generated {
  const files = DASHBOARDS.flatMap((dashboard) => {
    // The builders leave members that are functions or undefined, which JSON has not.
    const json = jsonText(JSON.parse(JSON.stringify(dashboard)))
    return [
      [resolve(FOLDER, 'dashboards', `${dashboard.uid}.json`), json],
      [resolve(FOLDER, 'configmaps', `${dashboard.uid}.yaml`), configMap(dashboard, json)],
    ] as const
  })
  return new Map(files)
}

if (import.meta.main) writeOrCheck(observabilityFiles(), 'dashboards', 'scripts/observability.ts')
