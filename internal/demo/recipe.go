package demo

import (
	"fmt"

	"github.com/shopspring/decimal"

	"kalla"
)

// recipe returns the recipe that goes with the data set.
func (c Config) recipe() (string, error) {
	switch c.Workload {
	case Reconciliation:
		return reconciliationRecipe, nil
	case OnePass:
		return onePassRecipe, nil
	case Copies:
		tolerance := max(2, c.SpreadCents)
		return fmt.Sprintf(copiesRecipe, decimal.New(tolerance, -2).StringFixed(2)), nil
	}
	return "", &kalla.Error{
		Code: kalla.CodeUsage, Op: "generating data set", Why: fmt.Sprintf("unknown workload %q", c.Workload),
	}
}

const reconciliationRecipe = `kalla: 1
recipe_id: invoices-payments
name: Invoices to payments
description: Open invoices against the bank's payments, in five passes
parameters:
  - {name: tolerance, type: decimal, default: "0.02", description: "largest difference of amounts, in units of the currency"}
sources:
  left:
    alias: invoices
    uri: invoices.csv
    primary_key: [invoice_id]
    anchor: true
    types: {amount: "decimal(18,2)", invoice_date: date, due_date: date}
  right:
    alias: payments
    uri: payments.csv
    primary_key: [payment_id]
    types: {paid_amount: "decimal(18,2)", payment_date: date}
match:
  - name: reference and amount
    cardinality: one_to_one
    when:
      - {left: invoice_id, right: reference_number}
      - {left: amount, right: paid_amount, within: "${tolerance}"}
      - {left: invoice_date, right: payment_date, within: {days: [0, 60]}}
    prefer: [amount, invoice_date]
  - name: part payments
    cardinality: one_to_many
    when:
      - {left: invoice_id, right: reference_number, op: prefix_of}
      - {left: invoice_date, right: payment_date, within: {days: [0, 60]}}
    sum: {left: amount, right: paid_amount, within: "${tolerance}"}
  - name: one payment for a batch
    cardinality: many_to_one
    when:
      - {left: settlement_ref, right: reference_number}
    sum: {left: amount, right: paid_amount, within: "${tolerance}"}
  - name: settlements
    cardinality: many_to_many
    when:
      - {left: settlement_ref, right: reference_number}
    sum: {left: amount, right: paid_amount, within: "${tolerance}"}
  - name: same amount and payer, similar name
    cardinality: one_to_one
    when:
      - {left: amount, right: paid_amount}
      - {left: customer_id, right: payer_id}
      - {left: customer_name, right: payer_name, similar: 0.85, method: jaro_winkler, normalize: [upper, trim, collapse_spaces]}
      - {left: invoice_date, right: payment_date, within: {days: [0, 60]}}
compare:
  - {left: currency, right: currency}
`

const onePassRecipe = `kalla: 1
recipe_id: invoices-payments-one-pass
name: Invoices to payments, one pass
sources:
  left:
    alias: invoices
    uri: invoices.csv
    primary_key: [invoice_id]
    anchor: true
  right:
    alias: payments
    uri: payments.csv
    primary_key: [payment_id]
match:
  - name: reference, amount and date
    cardinality: one_to_one
    when:
      - {left: invoice_id, right: reference_number}
      - {left: amount, right: paid_amount, within: "0.02"}
      - {left: invoice_date, right: payment_date, within: {days: [0, 60]}}
`

const copiesRecipe = `kalla: 1
recipe_id: orders-payments
name: Orders to payments, many of each order
sources:
  left:
    alias: invoices
    uri: invoices.csv
    primary_key: [invoice_id]
    anchor: true
  right:
    alias: payments
    uri: payments.csv
    primary_key: [payment_id]
match:
  - name: order and amount
    cardinality: one_to_one
    when:
      - {left: settlement_ref, right: reference_number}
      - {left: amount, right: paid_amount, within: "%s"}
`
