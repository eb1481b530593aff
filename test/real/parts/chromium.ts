import type { Browser } from 'playwright-core'
import { locate } from './locate.ts'

/** What a browser is started with besides the flags that keep it quiet. */
export interface ChromiumOptions {
  /** More flags, such as `--host-resolver-rules=MAP *.lab.example 127.0.0.1`. */
  readonly args?: readonly string[]
}

/**
 * Starts a headless Chromium with a new, empty profile and no traffic of its own, driven by playwright-core.
 * `browser.close()` ends it and removes the profile. Throws an Error that says to run test/real/install when there is
 * no Chromium.
 */
export async function launchChromium(options: ChromiumOptions = {}): Promise<Browser> {
  const executablePath = await locate('chromium')
  const { chromium } = await import('playwright-core')
  return chromium.launch({
    executablePath,
    headless: true,
    timeout: 60_000,
    args: [
      // Its sandbox does not work for root, and these suites open only pages of their own.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...(options.args ?? []),
    ],
  })
}
