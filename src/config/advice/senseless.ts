/** What routes say without its having any effect, or not the one that was meant (`advice.ts`). */
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import type { RouteConfig } from '../route.ts'

/** The default is not told from the same number in the file. */
const RETRIES_BY_DEFAULT = 1

export function senseless({ routes }: Pick<Config, 'routes'>): Fault[] {
  return routes.flatMap((route, at) => [...ofHealth(route, `routes.${at}`), ...ofForwardAuth(route, `routes.${at}`)])
}

function ofHealth({ upstream }: RouteConfig, path: string): Fault[] {
  const { health } = upstream ?? {}
  if (health === undefined || health.within <= health.every) return []
  return [
    {
      path: `${path}.upstream.health.within`,
      problem: 'is longer than every: a server that hangs is asked that much more rarely, and taken out later',
      mend: 'write it no longer than every',
    },
  ]
}

function ofForwardAuth({ forwardAuth, withhold, retries, ca }: RouteConfig, path: string): Fault[] {
  if (!forwardAuth) return []
  const found: Fault[] = []
  if (withhold.length > 0) {
    found.push({
      path: `${path}.withhold`,
      problem: 'takes no header away beside forwardAuth: the proxy forwards, and only other spellings of the names are refused',
      mend: 'have the proxy remove these headers',
    })
  }
  const idle = { retries: retries !== RETRIES_BY_DEFAULT, ca: ca !== undefined }
  for (const [key, written] of Object.entries(idle)) {
    if (!written) continue
    found.push({
      path: `${path}.${key}`,
      problem: 'does nothing beside forwardAuth: the proxy forwards',
      mend: 'remove it, and see to it at the proxy',
    })
  }
  return found
}
