import { type FrontServer, type FrontServerOptions, startFrontServer } from './front-server.ts'
import { withFreePorts } from './process.ts'

/** Starts nginx with `proxy_pass`: one process, connections kept on both sides, and its usual access log. */
export function startNginx({ upstream, core }: FrontServerOptions): Promise<FrontServer> {
  const kind = (port: number) => ({
    program: 'nginx' as const,
    configuration: (folder: string) => configuration(folder, port, new URL(upstream).host),
    args: (file: string, folder: string) => ['-p', folder, '-e', `${folder}/error.log`, '-c', file],
  })
  return withFreePorts(1, ([port = 0]) => startFrontServer(kind(port), port, core))
}

/**
 * Starts nginx with a whole configuration as an operator would write it: as one process, with its files in a folder of its
 * own, and with one more server, which answers GET /ready at `url`.
 */
export function startNginxAs(written: string): Promise<FrontServer> {
  const files = (folder: string) =>
    ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n')
  const kind = (port: number) => ({
    program: 'nginx' as const,
    configuration: (folder: string) => `
daemon off;
master_process off;
pid ${folder}/pid;
${written.replace(
  'http {',
  () => `http {
access_log ${folder}/access.log combined;
${files(folder)}
server { listen 127.0.0.1:${port}; location = /ready { return 200; } }`,
)}`,
    args: (file: string, folder: string) => ['-p', folder, '-e', `${folder}/error.log`, '-c', file],
  })
  return withFreePorts(1, ([port = 0]) => startFrontServer(kind(port), port, undefined))
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
