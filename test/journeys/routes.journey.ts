import { suite, test } from 'node:test'
import { startRawUpstream } from '../fakes/raw-http.ts'
import { askRaw, bearerOf } from './asks.ts'
import { setStage } from './stage.ts'
import type { StartWorld } from './world.ts'
export function routes(name: string, start: StartWorld): void {
  suite(`routes, ${name}`, () => {
    test('smoke', async (t) => {
      const up = await startRawUpstream()
      t.after(() => up.close())
      const stage = await setStage(t, start, {
        configure(config) {
          config['routes'] = [
            {
              match: { host: 'localhost', path: '/app/**' },
              allow: { callers: ['person', 'machine'] },
              upstream: up.origin,
              sameOriginOpen: true,
            },
            { match: { host: 'app.localhost', path: '/**' }, allow: { callers: ['person', 'machine'] }, upstream: up.origin },
          ]
        },
      })
      console.log((await askRaw(stage, '/app/x?y=1', [`Authorization: ${bearerOf(stage, 'alice')}`])).all)
      console.log(up.heads())
      const alice = await stage.browser('alice')
      console.log((await alice.get(`${stage.origin}/app/cookie`)).status, up.heads().at(-1))
      const bob = await stage.browser()
      const seen = await bob.signIn(`http://app.localhost:${new URL(stage.origin).port}/p?q=1`, 'bob')
      console.log(seen, up.heads().at(-1), stage.audit())
    })
  })
}
