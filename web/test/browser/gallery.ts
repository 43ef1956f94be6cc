import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { build, preview, type PreviewServer } from 'vite'

/** The gallery, built and served, and a browser. */
export interface Gallery {
  browser: Browser
  url: string
  /** Where screenshots go: KALLA_SCREENSHOTS, or a new folder among the temporary ones. */
  shots: string
  close: () => Promise<void>
}

export async function openGallery(): Promise<Gallery> {
  // As a user gets it: under a test runner the development version of React would be built.
  process.env['NODE_ENV'] = 'production'
  await build({ mode: 'gallery', logLevel: 'error' })
  const server: PreviewServer = await preview({
    mode: 'gallery',
    logLevel: 'error',
    preview: { host: '127.0.0.1', port: 4900 },
  })
  const url = `${server.resolvedUrls?.local[0] ?? ''}gallery.html`
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  const shots = process.env['KALLA_SCREENSHOTS'] ?? (await mkdtemp(join(tmpdir(), 'kalla-gallery-')))
  return {
    browser,
    url,
    shots,
    close: async () => {
      await browser.close()
      await server.close()
    },
  }
}

/** A page of the gallery; its errors are collected. */
export async function open(
  gallery: Gallery,
  path: string,
  look: { width: number; dark: boolean },
): Promise<{ page: Page; errors: string[] }> {
  const context = await gallery.browser.newContext({
    viewport: { width: look.width, height: look.width < 600 ? 844 : 860 },
    colorScheme: look.dark ? 'dark' : 'light',
    hasTouch: look.width < 600,
    isMobile: look.width < 600,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  await page.goto(`${gallery.url}#${path}`)
  await page.locator('h1').waitFor()
  return { page, errors }
}
