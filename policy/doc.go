// Package policy decides who may read and write which rows. A manifest's
// policies are compiled once at start; every mistake that can be seen then is
// refused with its place and the nearest name that would have been right.
//
// # The language
//
//	auth.userId  auth.email  auth.tenantId    text, null when there is none
//	auth.isAdmin                              true or false
//	auth.roles                                list of text, only right of `in`
//	auth.hasRole("x")                         the same as "x" in auth.roles
//	auth.hasAnyRole("a", "b")                 also with one list: hasAnyRole(["a", "b"])
//	data.FIELD  existing.FIELD                the row; "id" is a field too
//	== != < <= > >=  && || !  + - * / %  in  starts_with  ends_with
//	null true false  "text" 'text'  12  1.5  [1, 2]  ( )
//
// # Its semantics
//
// Logic has two values. A comparison with something that is null is false, so
// `auth.userId == data.ownerId` never lets an anonymous caller have an ownerless
// row. Only the literal null tests for null: `data.deletedAt == null`. `!=` is the
// negation of `==`: it is true when a side is null, also when both are. So
// `auth.userId != data.blockedId` is true for everybody when blockedId is null.
// A bool that is null counts as false, and `!` of it as true.
//
// Text (string, richtext and id fields, and what auth has) compares by its UTF-8
// bytes; ints and floats compare exactly with each other; datetimes compare with
// datetimes and with RFC 3339 literals. Kinds that do not fit together are refused
// at start. `+` also joins text. Arithmetic gives null when an operand is null, when
// it divides by zero and when the result is out of range; `/` of two ints is an
// int where it comes out even. `x in data.tags` looks into a json array, and is
// false for other json.
//
// # Which rules apply
//
// A policy speaks on read, insert, update and delete with allowRead, allowInsert,
// allowUpdate and allowDelete; allowWrite stands in for the last three, allow for
// all four. A policy that is silent on an action does not count for it; all that
// speak must agree; when none does the action is denied.
//
// `data` is the row that is read, inserted or deleted. In an update, a rule
// that mentions `existing` sees the stored row as existing and the new one as
// data. A rule that mentions only `data` must hold for both: otherwise anybody
// could take a row over by writing his id into it, or write what he may not own.
//
// # Reading
//
// A read rule is evaluated partly, with the caller's values, and becomes a
// [store.Filter] as far as SQL can express it; the rest checks the rows in Go.
// Both agree with direct evaluation on every row.
package policy
