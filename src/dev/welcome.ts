/** What `mandate dev` prints: four lines that work when they are copied. */
import type { DevFiles } from './files.ts'

export interface Welcome {
  readonly publicUrl: string
  readonly operationsUrl: string
  readonly files: DevFiles
  readonly cluster: string | undefined
  /** The port that was asked for and is in use. */
  readonly taken?: number
}

export function welcome({ publicUrl, operationsUrl, files, cluster, taken }: Welcome): string {
  const what = cluster === undefined ? 'with an embedded Kubernetes' : `before the cluster of context ${cluster}`
  const instead = taken === undefined ? '' : `${taken} is in use; serving on ${new URL(publicUrl).port}.\n\n`
  return `
${instead}Mandate is serving on this machine alone, ${what}. Sign in as alice, bob or carol.

  ${opener(process.platform)} ${publicUrl}/
  curl -H @${files.aliceHeader} ${publicUrl}/clusters/dev/api/v1/namespaces/team-a/pods
  kubectl --kubeconfig ${files.kubeconfig} get pods
  curl -H @${files.robotHeader} ${publicUrl}/echo/hello

The last is a machine at a service behind a route; people open ${publicUrl.replace('//localhost', '//echo.localhost')}/

Who did what: ${files.audit}   Metrics: ${operationsUrl}/metrics   Stop with Ctrl-C.
`
}

/** The command that opens a page in the person's browser. */
function opener(platform: NodeJS.Platform): string {
  if (platform === 'darwin') return 'open'
  return platform === 'win32' ? 'start' : 'xdg-open'
}
