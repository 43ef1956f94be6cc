import { rowsOf, type RowSource } from '@/lib/rows'
import type { Column } from '@/table/columns'
import { DataTable, type DataTableProps } from '@/table/data-table'
import type { Sort } from '@/table/header'
import { useRows } from '@/table/use-rows'
import { TooltipProvider } from '@/ui/tooltip'
import { fireEvent, render, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { beforeEach, describe, expect, test, vi } from 'vitest'

interface Payment {
  id: string
  paid: string
}

const payments: Payment[] = Array.from({ length: 5000 }, (_, i) => ({ id: `P${i}`, paid: `${i}.50` }))
const columns: Column<Payment>[] = [
  { id: 'id', header: 'Payment', text: (p) => p.id, sortable: true },
  { id: 'paid', header: 'Paid', text: (p) => p.paid, numeric: true },
]

beforeEach(() => localStorage.clear())

function Table({
  source = rowsOf(payments),
  ...more
}: { source?: RowSource<Payment> } & Partial<DataTableProps<Payment>>) {
  const rows = useRows('all', () => source)
  return (
    <TooltipProvider>
      <DataTable id="payments" label="Payments" rows={rows} columns={columns} rowKey={(p) => p.id} {...more} />
    </TooltipProvider>
  )
}

const activeText = () =>
  document.getElementById(screen.getByRole('grid').getAttribute('aria-activedescendant') ?? '')?.textContent

describe('a table', () => {
  test('draws a few of many rows and says how many there are', async () => {
    render(<Table />)
    expect(await screen.findByText('P0')).toBeTruthy()
    expect(screen.getAllByRole('row').length).toBeLessThan(30)
    expect(screen.getByRole('grid').getAttribute('aria-rowcount')).toBe('5001')
  })

  test('is worked from the keyboard', async () => {
    const open = vi.fn()
    render(<Table onOpen={open} />)
    await screen.findByText('P0')
    screen.getByRole('grid').focus()
    await userEvent.keyboard('jjk{ArrowDown}{ArrowDown}')
    expect(activeText()).toBe('P3')
    await userEvent.keyboard('{Enter}')
    expect(open).toHaveBeenCalledWith(payments[3], 3)
    await userEvent.keyboard('{End}')
    expect(await screen.findByText('P4999')).toBeTruthy()
    expect(activeText()).toBe('P4999')
    await userEvent.keyboard('{ArrowRight}')
    expect(activeText()).toBe('4999.50')
    await userEvent.keyboard('{Home}{ArrowLeft}k')
    expect(activeText()).toBe('P0')
  })

  test('copies the cell, not what it looks like', async () => {
    render(<Table />)
    await screen.findByText('P0')
    screen.getByRole('grid').focus()
    await userEvent.keyboard('j{ArrowRight}')
    const setData = vi.fn()
    fireEvent.copy(screen.getByRole('grid'), { clipboardData: { setData } })
    expect(setData).toHaveBeenCalledWith('text/plain', '1.50')
  })

  test('selects one, and with Shift up to another', async () => {
    const Selecting = () => {
      const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
      return (
        <>
          <Table selected={selected} onSelect={setSelected} />
          <output>{[...selected].join(' ')}</output>
        </>
      )
    }
    render(<Selecting />)
    await screen.findByText('P0')
    screen.getByRole('grid').focus()
    await userEvent.keyboard('jx')
    expect(screen.getByRole('status').textContent).toBe('P1')
    await userEvent.keyboard('jj{Shift>}X{/Shift}')
    expect(screen.getByRole('status').textContent).toBe('P1 P2 P3')
    await userEvent.keyboard('x')
    expect(screen.getByRole('status').textContent).toBe('P1 P2')
  })

  test('sorts up, down, and not', async () => {
    const asked: (Sort | undefined)[] = []
    const Sorting = () => {
      const [sort, setSort] = useState<Sort>()
      return (
        <Table
          sort={sort}
          onSort={(next) => {
            asked.push(next)
            setSort(next)
          }}
        />
      )
    }
    render(<Sorting />)
    const button = await screen.findByRole('button', { name: 'Payment' })
    await userEvent.click(button)
    expect(screen.getByRole('columnheader', { name: /Payment/ }).getAttribute('aria-sort')).toBe('ascending')
    await userEvent.click(button)
    await userEvent.click(button)
    expect(asked).toEqual([{ column: 'id', descending: false }, { column: 'id', descending: true }, undefined])
  })

  test('remembers widths and hidden columns', async () => {
    const first = render(<Table />)
    await userEvent.type(screen.getByRole('separator', { name: 'Width of Payment' }), '{ArrowRight}')
    await userEvent.click(screen.getByRole('button', { name: 'Columns' }))
    await userEvent.click(screen.getByRole('checkbox', { name: 'Paid' }))
    first.unmount()
    render(<Table />)
    expect(screen.getByRole('separator', { name: 'Width of Payment' }).getAttribute('aria-valuenow')).toBe('176')
    expect(screen.queryByRole('columnheader', { name: /Paid/ })).toBeNull()
  })

  test('what was remembered by another version breaks nothing', () => {
    localStorage.setItem('kalla.table.payments', '{"widths":{"id":"wide","paid":3},"hidden":7}')
    render(<Table />)
    expect(screen.getByRole('separator', { name: 'Width of Payment' }).getAttribute('aria-valuenow')).toBe('160')
    expect(screen.getByRole('separator', { name: 'Width of Paid' }).getAttribute('aria-valuenow')).toBe('120')
  })

  test('says that there is nothing', async () => {
    render(<Table source={rowsOf([])} empty="No payments in November" />)
    expect(await screen.findByText('No payments in November')).toBeTruthy()
  })

  test('says why rows are missing, and tries again', async () => {
    let away = true
    const source: RowSource<Payment> = {
      seekable: true,
      fetch: () =>
        away
          ? Promise.reject(new Error('The disk is full.'))
          : Promise.resolve({ rows: payments.slice(0, 3), total: 3 }),
    }
    render(<Table source={source} />)
    const alert = await screen.findByRole('alert')
    expect(alert.textContent).toContain('The disk is full.')
    away = false
    await userEvent.click(within(alert).getByRole('button', { name: 'Try again' }))
    expect(await screen.findByText('P2')).toBeTruthy()
    expect(screen.queryByRole('alert')).toBeNull()
  })
})
