/**
 * The few pages Mandate shows, from a closed set of blocks.
 *
 * Security: there is no script on any page and no way to put markup in: blocks take text and every text is escaped
 * here. The policy allows one style sheet, by its hash, and forms to our own origin alone.
 */
import { createHash } from 'node:crypto'

export interface PageAction {
  readonly label: string
  readonly href: string
  /** Makes the action a form that is posted, with these hidden fields. */
  readonly post?: Readonly<Record<string, string>>
  readonly quiet?: boolean
  /** Said below the label. */
  readonly note?: string
}

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'small'; readonly text: string }
  | { readonly kind: 'facts'; readonly facts: ReadonlyArray<readonly [name: string, value: string]> }
  | { readonly kind: 'links'; readonly title: string; readonly links: ReadonlyArray<{ readonly label: string; readonly href: string }> }
  | { readonly kind: 'actions'; readonly actions: readonly PageAction[] }

export interface PageContent {
  readonly title: string
  readonly body: readonly Block[]
  /** Goes on to this address by itself. */
  readonly continueTo?: string
}

const STYLE = `
:root{color-scheme:light dark;--ink:#14202b;--soft:#5b6b7a;--line:#d9e0e6;--card:#fff;--ground:#f2f5f7;--accent:#0b5cad;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8eef3;--soft:#9fb0bf;--line:#2c3a47;--card:#17212b;--ground:#0e151c;--accent:#5aa9f7;--on:#08131d}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:min(27rem,calc(100vw - 2rem));margin:2rem 0;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:2rem;box-shadow:0 10px 30px rgb(10 30 50/.07)}
.mark{display:flex;align-items:center;gap:.55rem;font-weight:650;letter-spacing:.01em;color:var(--soft);margin-bottom:1.4rem}
.mark svg{width:1.5rem;height:1.5rem;color:var(--accent)}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .8rem;overflow-wrap:anywhere}
h2{font-size:.8rem;font-weight:600;color:var(--soft);margin:1.5rem 0 .4rem}
p{margin:.6rem 0;overflow-wrap:anywhere}
.small{color:var(--soft);font-size:.8rem;margin-top:1.4rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.35rem 1.1rem;margin:1rem 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:30rem){main{padding:1.5rem}dl{grid-template-columns:1fr;gap:0}dt{font-size:.8rem}dd{margin-bottom:.55rem}}
ul{list-style:none;margin:0;padding:0}li a{display:block;padding:.4rem 0}
a{color:var(--accent)}
.actions{display:grid;gap:.65rem;margin-top:1.4rem}
.actions a,.actions button{display:block;width:100%;font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer;padding:.72rem 1rem;border-radius:9px;border:1px solid var(--accent);background:var(--accent);color:var(--on)}
.actions .quiet{background:none;color:var(--accent);border-color:var(--line)}
.actions a:focus-visible,.actions button:focus-visible{outline:3px solid color-mix(in srgb,var(--accent) 45%,transparent);outline-offset:2px}
.actions small{display:block;font-weight:400;font-size:.8rem;line-height:1.4;color:var(--soft)}
form{margin:0}`

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const MARK =
  '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" aria-hidden="true"><path d="M12 2.5 20 6v6c0 4.6-3.3 8-8 9.5C7.3 20 4 16.6 4 12V6z"/><path d="m8.5 12 2.5 2.5 4.5-5" stroke-linecap="round"/></svg>'

/** Renders a page and the Content-Security-Policy that goes with it. */
export function page({ title, body, continueTo }: PageContent): { html: string; policy: string } {
  const refresh = continueTo === undefined ? '' : `<meta http-equiv="refresh" content="0; url=${escapeText(continueTo)}">`
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${refresh}
<title>${escapeText(title)} · Mandate</title><style>${STYLE}</style></head>
<body><main><div class="mark">${MARK}Mandate</div><h1>${escapeText(title)}</h1>
${body.map(block).join('\n')}
</main></body></html>
`
  return { html, policy: POLICY }
}

function block(content: Block): string {
  switch (content.kind) {
    case 'text':
      return `<p>${escapeText(content.text)}</p>`
    case 'small':
      return `<p class="small">${escapeText(content.text)}</p>`
    case 'facts':
      return `<dl>${content.facts.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd>`).join('')}</dl>`
    case 'links':
      return `<h2>${escapeText(content.title)}</h2><ul>${content.links.map(({ label, href }) => `<li><a href="${escapeText(href)}">${escapeText(label)}</a></li>`).join('')}</ul>`
    case 'actions':
      return `<div class="actions">${content.actions.map(action).join('')}</div>`
  }
}

function action({ label, href, post, quiet, note }: PageAction): string {
  const text = escapeText(label) + (note === undefined ? '' : `<small>${escapeText(note)}</small>`)
  const look = quiet ? ' class="quiet"' : ''
  if (post === undefined) return `<a${look} href="${escapeText(href)}">${text}</a>`
  const fields = Object.entries(post).map(
    ([name, value]) => `<input type="hidden" name="${escapeText(name)}" value="${escapeText(value)}">`,
  )
  return `<form method="post" action="${escapeText(href)}">${fields.join('')}<button${look}>${text}</button></form>`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Escapes text for element content and for attribute values in double quotes. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
