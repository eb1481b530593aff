import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { locateForBench } from './bench-programs.ts'
import { type FrontServer, type FrontServerOptions, startPinned } from './pinned-child.ts'
import { temporaryFolder, withFreePorts } from './process.ts'

/** Starts nginx with `proxy_pass`: one process, connections kept on both sides, and its usual access log. */
export async function startNginx({ upstream, core }: FrontServerOptions): Promise<FrontServer> {
  const program = await locateForBench('nginx')
  const folder = await temporaryFolder('nginx')
  const at = (name: string): string => join(folder.path, name)
  try {
    return await withFreePorts(1, async ([port = 0]) => {
      await writeFile(at('nginx.conf'), configuration(folder.path, port, new URL(upstream).host))
      const url = `http://127.0.0.1:${port}`
      const child = await startPinned(core, {
        name: 'nginx',
        program,
        args: ['-p', folder.path, '-e', at('error.log'), '-c', at('nginx.conf')],
        ready: async () => (await ask(`${url}/ready`)).status === 200,
        readyWithin: 10_000,
      })
      return {
        url,
        pid: child.pid,
        accessLog: at('access.log'),
        async stop() {
          await child.stop()
          await folder.remove()
        },
      }
    })
  } catch (error) {
    await folder.remove()
    throw error
  }
}

// Without a master process the one worker is the whole program, so that its CPU time is easy to tell.
const configuration = (folder: string, port: number, upstream: string): string => `
daemon off;
master_process off;
pid ${folder}/pid;
events { worker_connections 1024; }
http {
  access_log ${folder}/access.log combined;
  client_body_temp_path ${folder}/client;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 100000000;
  upstream target {
    server ${upstream};
    keepalive 64;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port};
    location = /ready { return 200; }
    location / {
      proxy_pass http://target;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`
