import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Kalla, looksRight } from './kalla'

let kalla: Kalla
let file: string
beforeAll(async () => {
  kalla = await Kalla.start('--no-demo')
  file = join(kalla.dir, 'rates.csv')
  await writeFile(file, 'currency,rate,day\nEUR,1.00,2026-11-01\nUSD,1.0865,2026-11-01\nCHF,,2026-11-01\n')
})
afterAll(() => kalla.stop())

test('a wrong path is told at its field; the right one is read and saved', async () => {
  const { page, context, errors } = await kalla.visit('/sources')
  await page.getByText('No sources yet').waitFor()
  await looksRight(page, 'sources-empty')
  await page.getByRole('link', { name: 'Add a source' }).first().click()
  await page.getByRole('tab', { name: 'Connect to a place' }).click()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Give the source a name.').waitFor()

  await page.getByLabel('Name').fill('rates')
  const path = page.getByLabel('Path')
  await path.fill(`${file}.gone.csv`)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').first().waitFor()
  expect(await path.getAttribute('aria-invalid')).toBe('true')
  const about = await path.getAttribute('aria-describedby')
  expect(about).toContain('-error')
  await looksRight(page, 'source-wrong-path')

  await path.fill(file)
  await page.getByRole('button', { name: 'Test', exact: true }).click()
  await page.getByText('It can be read').waitFor()
  await page.getByRole('region', { name: 'First rows' }).getByText('1.0865').waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { level: 1, name: 'rates' }).waitFor()
  await page.getByText('Connected').waitFor()
  await page.getByRole('region', { name: 'Sample of rates' }).getByText('CHF').waitFor()
  await looksRight(page, 'source')

  // A filter takes effect at once, and stays in the address.
  await page.getByRole('button', { name: 'Filter' }).click()
  await page.getByRole('button', { name: 'Column', exact: true }).click()
  await page.getByRole('option', { name: 'rate' }).click()
  await page.getByLabel('Condition').click()
  await page.getByRole('option', { name: 'is empty' }).click()
  await page.getByRole('button', { name: 'Add filter' }).click()
  await page.getByText('1 row', { exact: true }).waitFor()
  await page.reload()
  await page.getByText('1 row', { exact: true }).waitFor()

  // It is found by typing, from anywhere.
  await page.goto(kalla.url + '/runs')
  await page.getByRole('heading', { level: 1, name: 'Runs' }).waitFor()
  await page.keyboard.press('Control+k')
  await page.keyboard.type('rat')
  await page.getByRole('group', { name: 'Sources' }).getByRole('option', { name: 'rates' }).click()
  await page.getByRole('heading', { level: 1, name: 'rates' }).waitFor()

  await page.getByRole('tab', { name: 'Columns' }).click()
  const profile = page.getByRole('region', { name: 'Profile of columns' })
  await profile.getByText('33.3%').first().waitFor() // one of three rates is missing
  await looksRight(page, 'source-columns')

  await page.getByRole('tab', { name: 'Settings' }).click()
  expect(await page.getByLabel('Path').inputValue()).toBe(file)
  await looksRight(page, 'source-settings')

  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByText('No sources yet').waitFor()
  expect(errors).toEqual([])
  await context.close()
})

test('an upload is looked at, and kept', async () => {
  const { page, context, errors } = await kalla.visit('/sources/new', { width: 390 })
  await page.locator('input[type=file]').setInputFiles(file)
  await page.getByRole('region', { name: 'First rows of rates.csv' }).getByText('1.0865').waitFor()
  await looksRight(page, 'upload-phone')
  expect(await page.getByLabel('Name').inputValue()).toBe('rates')
  await page.getByRole('button', { name: 'Keep as a source' }).click()
  await page.getByRole('heading', { level: 1, name: 'rates' }).waitFor()
  await page.getByText('Connected').waitFor()
  await looksRight(page, 'source-phone')

  // What is no table is refused, with what to do.
  await page.goto(kalla.url + '/sources/new')
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'page.csv', mimeType: 'text/csv', buffer: Buffer.from('<html><body>x</body></html>') })
  await page.getByRole('button', { name: 'Try again' }).waitFor()
  expect(errors.filter((e) => !/status of 4\d\d/.test(e))).toEqual([])
  await context.close()
})

test('a file is dropped anywhere on the page; what is no file is not taken', async () => {
  const { page, context, errors } = await kalla.visit('/sources/new')
  await page.getByText('Drop a file here').waitFor()
  const drop = (type: string, content: string) =>
    page.getByRole('heading', { level: 1 }).evaluate(
      (heading, { type, content }) => {
        const dataTransfer = new DataTransfer()
        if (type === 'file') dataTransfer.items.add(new File([content], 'dropped.csv'))
        else dataTransfer.setData('text/plain', content)
        for (const name of ['dragover', 'drop'])
          heading.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true }))
      },
      { type, content },
    )
  await drop('text', 'some words')
  expect(await page.getByRole('list', { name: 'Files' }).getByRole('listitem').count()).toBe(0)
  await drop('file', 'id,amount\n1,2.50\n')
  await page.getByRole('region', { name: 'First rows of dropped.csv' }).getByText('2.50').waitFor()

  // Where no page takes it, the browser does not either: it would open it in place of the app.
  await page.goto(`${kalla.url}/runs`)
  const left = await page.getByRole('heading', { level: 1 }).evaluate((heading) => {
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File(['a'], 'stray.csv'))
    return ['dragover', 'drop'].map((name) =>
      heading.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true })),
    )
  })
  expect(left).toEqual([false, false]) // of each, the browser's own way was prevented
  expect(errors).toEqual([])
  await context.close()
})

test('an upload is cancelled in the middle, and leaves nothing', async () => {
  const { page, context, errors } = await kalla.visit('/sources/new')
  const large = join(kalla.dir, 'large.csv')
  await writeFile(large, 'id,amount\n' + '1234567,100.00\n'.repeat(600_000))
  const devtools = await context.newCDPSession(page)
  await devtools.send('Network.enable')
  const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 500_000 }
  await devtools.send('Network.emulateNetworkConditions', slow)
  await page.locator('input[type=file]').setInputFiles(large)
  const progress = page.getByRole('progressbar', { name: 'large.csv' })
  await expect
    .poll(async () => Number(await progress.getAttribute('aria-valuenow')), { timeout: 30_000 })
    .toBeGreaterThan(5)
  await looksRight(page, 'upload-going')
  expect(Number(await progress.getAttribute('aria-valuenow'))).toBeLessThan(100)
  await page.getByRole('button', { name: 'Cancel large.csv' }).click()
  await progress.waitFor({ state: 'detached' })
  expect(await page.getByText('large.csv').count()).toBe(0)
  // Of what was sent nothing is kept.
  const kept = async () => {
    const files = await readdir(join(kalla.dir, 'uploads'), { recursive: true, withFileTypes: true })
    const sizes = files.filter((f) => f.isFile()).map(async (f) => (await stat(join(f.parentPath, f.name))).size)
    return Math.max(0, ...(await Promise.all(sizes)))
  }
  await expect.poll(kept, { timeout: 20_000 }).toBeLessThan(1_000_000)

  // Another file goes as if nothing had been.
  await devtools.send('Network.emulateNetworkConditions', { ...slow, uploadThroughput: -1 })
  await page.locator('input[type=file]').setInputFiles(file)
  await page.getByRole('region', { name: 'First rows of rates.csv' }).getByText('1.0865').waitFor()
  expect(errors).toEqual([])
  await context.close()
})
