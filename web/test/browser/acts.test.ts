import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { open, openGallery, type Gallery } from './gallery'

let gallery: Gallery
beforeAll(async () => {
  gallery = await openGallery()
})
afterAll(() => gallery.close())

const wide = { width: 1280, dark: false }

test('a million rows are scrolled, dragged and gone to', async () => {
  const { page, errors } = await open(gallery, '/runs', wide)
  const grid = page.getByRole('grid')
  await page.getByText('INV-1000000').waitFor()

  // The wheel for a while. What is told is the time of the page's thread, which the load of the machine does not change.
  await grid.hover()
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
  const spent = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics')
    return (metrics.find((m) => m.name === 'TaskDuration')?.value ?? 0) * 1000
  }
  const before = await spent()
  for (let i = 0; i < 90; i++) {
    await page.mouse.wheel(0, 240)
    await page.waitForTimeout(16)
  }
  process.stdout.write(
    `scrolling by 240 px takes ${(((await spent()) - before) / 90).toFixed(1)} ms of the page's thread\n`,
  )
  await expect
    .poll(async () => Number((await grid.getByRole('row').last().getAttribute('aria-rowindex')) ?? 0))
    .toBeGreaterThan(300)

  // By the bar to the middle and the end; by the keyboard to the last row and back.
  await grid.evaluate((node) => node.scrollTo(0, node.scrollHeight / 2))
  await page
    .getByText(/^INV-15000\d\d$/)
    .first()
    .waitFor()
  await grid.evaluate((node) => node.scrollTo(0, node.scrollHeight))
  await page.getByText('INV-1999999').waitFor()
  await grid.focus()
  await page.keyboard.press('Home')
  await page.getByText('INV-1000000').waitFor()
  await page.keyboard.press('End')
  await page.getByText('INV-1999999').waitFor()
  await page.keyboard.press('Enter')
  await expect.poll(() => page.getByText('Opened INV-1999999').count()).toBe(1)

  await page.getByTitle('Go to a row').click()
  await page.getByRole('textbox', { name: 'Row' }).fill('777777')
  await page.keyboard.press('Enter')
  await page.getByText('INV-1777776').waitFor()
  // Row by row from there, also at the far end of a bar that stands for more than its pixels.
  for (let i = 0; i < 40; i++) await page.keyboard.press('j')
  await page.getByText('INV-1777816').waitFor()
  await page.setViewportSize({ width: 1000, height: 700 })
  await page.waitForTimeout(200)
  expect(await page.getByText('INV-1777816').count()).toBe(1)
  expect(errors).toEqual([])
  await page.context().close()
})

test('goes about by the keyboard alone', async () => {
  const { page, errors } = await open(gallery, '/', wide)
  await page.keyboard.press('Control+k')
  await page.keyboard.type('sou')
  await page.screenshot({ path: join(gallery.shots, 'palette.png') })
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'States' }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('r')
  await page.getByRole('heading', { level: 1, name: 'Invoices of November' }).waitFor()
  await expect.poll(() => page.title()).toBe('Invoices of November · Kalla')
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
  await page.screenshot({ path: join(gallery.shots, 'shortcuts.png') })
  await page.keyboard.press('Escape')
  await page.goto(`${gallery.url}#/nowhere`)
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
  expect(errors).toEqual([])
  await page.context().close()
})

test('the theme is remembered and there before the first paint', async () => {
  const { page } = await open(gallery, '/', wide)
  await page.getByRole('button', { name: /Account of/ }).click()
  await page.screenshot({ path: join(gallery.shots, 'menu.png') })
  await page.getByRole('menuitemcheckbox', { name: 'Dark' }).click()
  await page.addInitScript(() => {
    new MutationObserver(() => {
      const body = document.querySelector('body')
      if (body && !('themeAtBody' in window))
        Object.assign(window, { themeAtBody: document.documentElement.dataset['theme'] })
    }).observe(document, { childList: true, subtree: true })
  })
  await page.reload()
  expect(await page.evaluate(() => (window as unknown as { themeAtBody: string }).themeAtBody)).toBe('dark')
  await page.context().close()
})

test('says that the connection is lost, and that it is back', async () => {
  const { page } = await open(gallery, '/settings', wide)
  await page.route('**/healthz', (route) => route.abort())
  await page.getByRole('button', { name: 'Lose the connection' }).click()
  await page.getByText('No connection to Kalla').waitFor()
  await page.screenshot({ path: join(gallery.shots, 'lost.png') })
  await page.unroute('**/healthz')
  await page.route('**/healthz', (route) => route.fulfill({ body: 'ok' }))
  await expect.poll(() => page.getByText('No connection to Kalla').count(), { timeout: 20_000 }).toBe(0)
  await page.context().close()
})

test('overlays open, take the focus and give it back', async () => {
  const { page, errors } = await open(gallery, '/settings', wide)
  for (const name of ['Dialog', 'Sheet', 'Alert']) {
    await page.getByRole('button', { name, exact: true }).click()
    await page.getByRole(name === 'Alert' ? 'alertdialog' : 'dialog').waitFor()
    await page.screenshot({ path: join(gallery.shots, `${name.toLowerCase()}.png`) })
    await page.keyboard.press('Escape')
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe(name)
  }
  await page.getByRole('button', { name: 'Toast' }).click()
  await page.getByRole('button', { name: 'Failure' }).click()
  await page.getByText('Saving the recipe failed').first().waitFor()
  await page.screenshot({ path: join(gallery.shots, 'toasts.png') })
  expect(errors).toEqual([])
  await page.context().close()
})
