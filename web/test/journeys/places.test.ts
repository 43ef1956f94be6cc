// Sources in a database and in a bucket, by their forms, over real servers.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Kalla, looksRight } from './kalla'
import { startPostgres, startS3, type Postgres, type S3 } from './services'

let kalla: Kalla
let postgres: Postgres
let s3: S3
beforeAll(async () => {
  ;[kalla, postgres, s3] = await Promise.all([Kalla.start('--no-demo'), startPostgres(), startS3()])
  await postgres.sql(`CREATE SCHEMA sales;
    CREATE TABLE sales.invoices (invoice text PRIMARY KEY, amount numeric(18,2), issued date);
    INSERT INTO sales.invoices SELECT 'INV-' || i, i + 0.25, date '2026-10-01' + i FROM generate_series(1, 40) i`)
  await s3.put('bank', 'Payments 2026-11.csv', 'payment,reference,amount\nP-1,INV-1,1.25\nP-2,INV-2,2.20\nP-3,,7.00\n')
})
afterAll(() => Promise.all([kalla, postgres, s3].map((server) => server.stop())))

test('a table of PostgreSQL: a wrong password is told without it, the right one reads and is sealed', async () => {
  const { page, context, errors } = await kalla.visit('/sources/new')
  await page.getByRole('tab', { name: 'Connect to a place' }).click()
  await page.getByRole('combobox', { name: 'Type' }).click()
  await page.getByRole('option', { name: 'PostgreSQL' }).click()
  await page.getByRole('button', { name: 'Test', exact: true }).click()
  await page.getByText('This is needed.').first().waitFor()
  await page.getByLabel('Name').fill('invoices')
  await page.getByLabel('Host').fill('127.0.0.1')
  await page.getByLabel('Database').fill('postgres')
  await page.getByRole('textbox', { name: /^User/ }).fill('postgres')
  await page.getByLabel('Password').fill('not-the-password')
  await page.getByLabel('Table').fill('sales.invoices')
  await page.getByLabel('Port').fill(String(postgres.port))
  await page.getByRole('button', { name: 'Test', exact: true }).click()
  const refused = page.getByRole('alert').filter({ hasText: /password/ })
  await refused.waitFor()
  expect(await refused.textContent()).not.toContain('not-the-password')
  await looksRight(page, 'source-postgres-refused')

  await page.getByLabel('Password').fill(postgres.password)
  await page.getByRole('button', { name: 'Test', exact: true }).click()
  await page.getByText('It can be read').waitFor()
  await page.getByRole('region', { name: 'First rows' }).getByText('INV-1', { exact: true }).waitFor()
  await looksRight(page, 'source-postgres')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'invoices' }).waitFor()
  await page.getByText('40 rows').first().waitFor()
  // Nobody gets to see the password again.
  const source = await kalla.api<object>('/api/sources/invoices')
  expect(JSON.stringify(source)).not.toContain(postgres.password)
  await page.getByRole('tab', { name: 'Settings' }).click()
  expect(await page.getByLabel('Table').inputValue()).toBe('sales.invoices')
  expect(await page.content()).not.toContain(postgres.password)
  // A change of something else leaves it as it is.
  await page.getByLabel('Table').fill('')
  await page.getByLabel('Query').fill('SELECT * FROM sales.invoices WHERE amount < 10')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText('9 rows').first().waitFor()
  expect(errors).toEqual([])
  await context.close()
})

test('a file in a bucket: its credentials and endpoint are asked for, and its name may have a space', async () => {
  const { page, context, errors } = await kalla.visit('/sources/new', { width: 390 })
  await page.getByRole('tab', { name: 'Connect to a place' }).click()
  await page.getByRole('combobox', { name: 'Type' }).click()
  await page.getByRole('option', { name: /S3/ }).click()
  await page.getByLabel('Name').fill('payments')
  await page.getByLabel('Path').fill('bank/Payments 2026-11.csv')
  await page.getByText('More settings').click()
  await page.getByLabel('Endpoint').fill(s3.endpoint)
  await page.getByLabel('Access key').fill(s3.accessKey)
  await page.getByLabel('Secret key').fill('wrong')
  await page.getByRole('combobox', { name: 'Address style' }).click()
  await page.getByRole('option', { name: 'path' }).click()
  await page.getByRole('button', { name: 'Test', exact: true }).click()
  await page.getByRole('alert').first().waitFor()
  await looksRight(page, 'source-bucket-refused-phone')

  await page.getByLabel('Secret key').fill(s3.secretKey)
  await page.getByRole('button', { name: 'Test', exact: true }).click()
  await page.getByText('It can be read').waitFor()
  await page.getByRole('region', { name: 'First rows' }).getByText('INV-2').waitFor()
  await looksRight(page, 'source-bucket-phone')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'payments' }).waitFor()
  await page.getByText('3 rows').first().waitFor()
  expect(JSON.stringify(await kalla.api<object>('/api/sources/payments'))).not.toContain(s3.secretKey)
  expect(errors).toEqual([])
  await context.close()
})
