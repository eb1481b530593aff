/** What `mandate dev` prints: three lines that work when they are copied. */
import type { DevFiles } from './files.ts'

export interface Welcome {
  readonly publicUrl: string
  readonly operationsUrl: string
  readonly files: DevFiles
  readonly cluster: string | undefined
}

export function welcome({ publicUrl, operationsUrl, files, cluster }: Welcome): string {
  const what = cluster === undefined ? 'with an embedded Kubernetes' : `before the cluster of context ${cluster}`
  return `
Mandate is serving on this machine alone, ${what}. Sign in as alice, bob or carol.

  open ${publicUrl}/
  curl -H @${files.aliceHeader} ${publicUrl}/clusters/dev/api/v1/namespaces/team-a/pods
  kubectl --kubeconfig ${files.kubeconfig} get pods

Who did what: ${files.audit}   Metrics: ${operationsUrl}/metrics   Stop with Ctrl-C.
`
}
