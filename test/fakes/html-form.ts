/** Finds the form in a page, well enough for the sign-in and sign-out pages of the issuers we test with. */

export interface HtmlForm {
  readonly action: string
  readonly method: string
  /** The hidden inputs; what a person would fill in is left out. */
  readonly hidden: Readonly<Record<string, string>>
  /** The named submit buttons, also those outside that name this form. */
  readonly buttons: readonly { readonly name: string; readonly value: string }[]
}

/** The form with this id, or the first one. `undefined` when there is none. An action that is not given is the page's own URL. */
export function findForm(html: string, pageUrl: string, id?: string): HtmlForm | undefined {
  for (const [, attributes = '', body = ''] of html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gis)) {
    const formId = attribute(attributes, 'id')
    if (id !== undefined && formId !== id) continue
    const inside = [...body.matchAll(/<button\b([^>]*)>/gi)].map(([, text = '']) => text)
    const outside = [...html.matchAll(/<button\b([^>]*)>/gi)]
      .map(([, text = '']) => text)
      .filter((text) => formId !== undefined && attribute(text, 'form') === formId)
    const inputs = [...body.matchAll(/<input\b([^>]*)>/gi)].map(([, text = '']) => text)
    const hidden = inputs.filter((text) => attribute(text, 'type')?.toLowerCase() === 'hidden').map(nameAndValue)
    return {
      action: new URL(attribute(attributes, 'action') ?? pageUrl, pageUrl).href,
      method: (attribute(attributes, 'method') ?? 'get').toUpperCase(),
      hidden: Object.fromEntries(hidden.map(({ name, value }) => [name, value])),
      buttons: [...inside, ...outside].map(nameAndValue).filter(({ name }) => name !== ''),
    }
  }
  return undefined
}

/** Whether the page's script sends its form by itself. */
export function submitsItself(html: string): boolean {
  return /<script\b[^>]*>[^<]*(\.submit\(\)|\.click\(\))/i.test(html)
}

function nameAndValue(attributes: string): { name: string; value: string } {
  return { name: attribute(attributes, 'name') ?? '', value: attribute(attributes, 'value') ?? '' }
}

function attribute(attributes: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|\\s)${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`, 'i').exec(attributes)
  const text = found?.[1] ?? found?.[2]
  return text
    ?.replace(/&#(\d+);/g, (_all, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&#x([0-9a-f]+);/gi, (_all, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replace(/&(quot|apos|lt|gt);/g, (_all, word: 'quot' | 'apos' | 'lt' | 'gt') => ({ quot: '"', apos: "'", lt: '<', gt: '>' })[word])
    .replaceAll('&amp;', '&')
}
