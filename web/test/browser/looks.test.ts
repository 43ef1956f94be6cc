import AxeBuilder from '@axe-core/playwright'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { open, openGallery, type Gallery } from './gallery'

let gallery: Gallery
beforeAll(async () => {
  gallery = await openGallery()
})
afterAll(() => gallery.close())

const pages = {
  controls: '/',
  table: '/runs',
  charts: '/new',
  editing: '/recipes',
  states: '/sources',
  overlays: '/settings',
}
const looks = [
  { width: 1280, dark: false },
  { width: 1280, dark: true },
  { width: 390, dark: false },
  { width: 390, dark: true },
]

describe.each(looks)('$width px, dark: $dark', (look) => {
  test.each(Object.entries(pages))('%s has no serious fault for axe, and fits', async (name, path) => {
    const { page, errors } = await open(gallery, path, look)
    try {
      await expect
        .poll(() => page.locator('[role=status][aria-label^=Loading]').count())
        .toBe(name === 'states' ? 1 : 0)
      if (name === 'editing') await page.locator('.cm-content').waitFor()
      await page.screenshot({ path: join(gallery.shots, `${name}-${look.width}-${look.dark ? 'dark' : 'light'}.png`) })
      const { violations } = await new AxeBuilder({ page }).analyze()
      const serious = violations
        .filter((v) => v.impact === 'serious' || v.impact === 'critical')
        .map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.failureSummary ?? ''}`).join('\n')}`)
      expect(serious).toEqual([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(look.width)
      expect(errors).toEqual([])
    } finally {
      await page.context().close()
    }
  })
})
