import type { Filter, FilterColumn } from '@/lib/filters'
import { reasonText } from '@/lib/reasons'
import { Page } from '@/shell/page'
import type { Column } from '@/table/columns'
import { DataTable } from '@/table/data-table'
import type { Sort } from '@/table/header'
import { TableSearch } from '@/table/toolbar'
import { useRows } from '@/table/use-rows'
import { FilterChips } from '@/ui/filter-chips'
import { Status } from '@/ui/status'
import { Tabs } from '@/ui/tabs'
import { DateTime, Money } from '@/ui/values'
import { useState } from 'react'
import { fakeRecords, type FakeRecord } from './data'

const columns: Column<FakeRecord>[] = [
  {
    id: 'key',
    header: 'Invoice',
    text: (r) => r.key,
    width: 130,
    sortable: true,
    cell: (r) => <span className="num font-medium">{r.key}</span>,
  },
  {
    id: 'date',
    header: 'Date',
    text: (r) => r.date,
    width: 110,
    sortable: true,
    cell: (r) => <DateTime value={r.date} />,
  },
  {
    id: 'amount',
    header: 'Amount',
    text: (r) => r.amount,
    width: 140,
    numeric: true,
    sortable: true,
    cell: (r) => <Money value={r.amount} currency={r.currency} />,
  },
  { id: 'reason', header: 'Reason', text: (r) => reasonText(r.reason), width: 190, sortable: true },
  {
    id: 'difference',
    header: 'Difference',
    text: (r) => r.difference ?? '',
    width: 110,
    numeric: true,
    cell: (r) => <Money value={r.difference} signed />,
  },
  { id: 'closest', header: 'Closest', text: (r) => r.closest, width: 130 },
  { id: 'party', header: 'Customer', text: (r) => r.party, width: 200 },
  { id: 'text', header: 'Text', text: (r) => r.text, width: 340 },
  { id: 'currency', header: 'Currency', text: (r) => r.currency, hidden: true },
]

const filterable: FilterColumn[] = [
  { id: 'amount', label: 'Amount', kind: 'number', nullable: true },
  { id: 'date', label: 'Date', kind: 'date' },
  { id: 'party', label: 'Customer', kind: 'text', nullable: true },
  {
    id: 'reason',
    label: 'Reason',
    kind: 'choice',
    choices: ['no_candidate', 'amount_differs', 'taken'].map((value) => ({ value, label: reasonText(value) })),
  },
]

const total = 1_000_000

export function Tables() {
  const [tab, setTab] = useState('left')
  const [sort, setSort] = useState<Sort>()
  const [search, setSearch] = useState('')
  const [filters, setFilters] = useState<Filter[]>([
    { column: 'amount', op: 'between', values: ['100.00', '25000.00'] },
    { column: 'reason', op: 'in', values: ['amount_differs', 'taken'] },
  ])
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set(['INV-1000002']))
  const [opened, setOpened] = useState('')
  const rows = useRows(JSON.stringify([sort, search, filters]), () => fakeRecords(total))
  const none = useRows('none', () => fakeRecords(0))
  return (
    <Page
      title="Invoices of November"
      crumbs={[{ label: 'Runs', to: '/runs' }]}
      aside={<Status state="completed" />}
      fill
    >
      <Tabs
        label="Records"
        value={tab}
        onChange={setTab}
        tabs={[
          {
            value: 'left',
            label: 'Unmatched invoices',
            count: total,
            content: (
              <DataTable
                id="gallery"
                label="Unmatched invoices"
                rows={rows}
                columns={columns}
                rowKey={(r) => r.key}
                sort={sort}
                onSort={setSort}
                onOpen={(r) => setOpened(r.key)}
                selected={selected}
                onSelect={setSelected}
                toolbar={
                  <>
                    <TableSearch label="Search records" value={search} onChange={setSearch} />
                    <FilterChips filters={filters} columns={filterable} onChange={setFilters} />
                  </>
                }
              />
            ),
          },
          {
            value: 'right',
            label: 'Unmatched payments',
            count: 0,
            content: (
              <DataTable id="none" label="Unmatched payments" rows={none} columns={columns} rowKey={(r) => r.key} />
            ),
          },
        ]}
      />
      <p role="status" className="sr-only">
        {opened && `Opened ${opened}`}
      </p>
    </Page>
  )
}
