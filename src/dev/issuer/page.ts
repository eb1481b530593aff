/**
 * The frame of every page the issuer shows. The pages carry no script (the sign-out page one, named by its hash), load
 * nothing, and cannot be framed. `form-action` covers the whole chain of redirects after a form in some browsers, so it
 * must also allow the client's redirect URI and where that leads next; for a development issuer that is loopback.
 */
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'

const STYLE = `
:root{color-scheme:light dark;--ink:#16202c;--soft:#5b6876;--line:#d9e0e8;--card:#fff;--back:#eef2f6;--mark:#2456c7}
@media(prefers-color-scheme:dark){:root{--ink:#e9eef4;--soft:#9aa8b8;--line:#2c3948;--card:#17202b;--back:#0d141c;--mark:#8fb2ff}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:30rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:14px}
h1{margin:0 0 .25rem;font-size:1.3rem;letter-spacing:-.01em}
p{margin:0 0 1.25rem;color:var(--soft)}
small{color:var(--soft)}
form{margin:0}
button{width:100%;margin:0 0 .6rem;padding:.75rem 1rem;display:block;text-align:left;font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:10px;cursor:pointer}
button:hover,button:focus-visible{border-color:var(--mark);outline:2px solid var(--mark);outline-offset:-1px}
button b{display:block}
i{display:inline-block;margin:.35rem .35rem 0 0;padding:0 .5rem;border-radius:1rem;background:var(--back);color:var(--soft);font-style:normal;font-size:.8rem}
code{overflow-wrap:anywhere}
`

const LOOPBACK = ['localhost', '*.localhost', '127.0.0.1'].flatMap((host) => [`http://${host}:*`, `https://${host}:*`]).join(' ')

/** Safe inside an element and inside a double-quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A whole document. `body` is HTML; `script`, if there is one, goes at its end and must be named to `pageHeaders` too. */
export function page(title: string, body: string, script?: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>${script === undefined ? '' : `\n<script>${script}</script>`}
</body>
</html>
`
}

/** The response headers of a page. `formTarget`: an origin that its form may lead to, besides ourselves and loopback. */
export function pageHeaders(more: { readonly formTarget?: string; readonly script?: string } = {}): Record<string, string> {
  const directives = [
    "default-src 'none'",
    `style-src ${hashOf(STYLE)}`,
    ...(more.script === undefined ? [] : [`script-src ${hashOf(more.script)}`]),
    `form-action 'self' ${LOOPBACK}${more.formTarget === undefined ? '' : ` ${more.formTarget}`}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': directives.join('; '),
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  }
}

/** Answers with a page that says one thing. */
export function sendNotice(response: ServerResponse, status: number, title: string, text: string): void {
  const body = `<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(text)}</p>`
  response.writeHead(status, pageHeaders()).end(page(title, body))
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
