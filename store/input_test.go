package store_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

// sample has a field of every type.
func sample(t testing.TB) *store.Entity {
	e := &store.Entity{Name: "Item", Fields: []store.Field{
		{Name: "title", Type: store.TypeString, Optional: true},
		{Name: "count", Type: store.TypeInt, Optional: true},
		{Name: "ratio", Type: store.TypeFloat, Optional: true},
		{Name: "done", Type: store.TypeBool, Optional: true},
		{Name: "due", Type: store.TypeDatetime, Optional: true},
		{Name: "body", Type: store.TypeRichtext, Optional: true},
		{Name: "data", Type: store.TypeJSON, Optional: true},
		{Name: "owner", Type: store.TypeID, Ref: "User", Optional: true},
		{Name: "kind", Type: store.TypeString, Enum: []string{"a", "b"}},
		{Name: "hash", Type: store.TypeString, Optional: true, ServerOnly: true},
	}}
	_, err := store.NewSchema([]*store.Entity{e}, nil)
	must(t, err)
	return e
}

// wantError compares what a caller may see of an error.
func wantError(t testing.TB, err error, want store.Error) {
	t.Helper()
	var got *store.Error
	if !errors.As(err, &got) {
		t.Errorf("got %v, want %s", err, want.Message)
		return
	}
	if got.Kind != want.Kind || got.Code != want.Code || got.Message != want.Message || got.Field != want.Field || got.Hint != want.Hint {
		t.Errorf("\n got kind %d code %s field %q\n     %s\n     hint %q\nwant kind %d code %s field %q\n     %s\n     hint %q",
			got.Kind, got.Code, got.Field, got.Message, got.Hint, want.Kind, want.Code, want.Field, want.Message, want.Hint)
	}
}

const fieldsHint = "fields: id, title, count, ratio, done, due, body, data, owner, kind"

// badValues are values that a field of the sample refuses, in a patch and as an
// operand of a query alike.
var badValues = []struct{ member, field, message string }{
	{`"title":5`, "title", "title must be a string, got a number"},
	{`"title":true`, "title", "title must be a string, got a boolean"},
	{`"title":["x"]`, "title", "title must be a string, got an array"},
	{`"title":"a\u0000b"`, "title", "title contains the character U+0000, which text cannot hold"},
	{"\"title\":\"\xff\"", "title", "title is not valid UTF-8"},
	{`"count":"5"`, "count", "count must be an int (whole number), got a string"},
	{`"count":true`, "count", "count must be an int (whole number), got a boolean"},
	{`"count":[]`, "count", "count must be an int (whole number), got an array"},
	{`"ratio":"1"`, "ratio", "ratio must be a float, got a string"},
	{`"ratio":1e309`, "ratio", "ratio is too large for a float"},
	{`"ratio":-1e309`, "ratio", "ratio is too large for a float"},
	{`"done":1`, "done", "done must be a bool, got a number"},
	{`"done":"true"`, "done", "done must be a bool, got a string"},
	{`"due":5`, "due", "due must be a datetime (RFC 3339 string), got a number"},
	{`"due":"tomorrow"`, "due", `due must be a datetime in RFC 3339, like 2026-01-31T09:30:00Z, got "tomorrow"`},
	{`"due":"2026-01-31"`, "due", `due must be a datetime in RFC 3339, like 2026-01-31T09:30:00Z, got "2026-01-31"`},
	{`"due":"2026-02-30T00:00:00Z"`, "due", `due must be a datetime in RFC 3339, like 2026-01-31T09:30:00Z, got "2026-02-30T00:00:00Z"`},
	{`"due":"0000-12-31T00:00:00Z"`, "due", "due must be in the years 1 to 9999"},
	{`"due":"9999-12-31T23:59:59-00:01"`, "due", "due must be in the years 1 to 9999"},
	{`"body":3`, "body", "body must be a richtext, got a number"},
	{`"owner":3`, "owner", "owner must be an id of User (string), got a number"},
}

func TestDecodePatchRefuses(t *testing.T) {
	type bad struct {
		body    string
		wantID  bool
		code    string
		field   string
		message string
		hint    string
	}
	cases := []bad{
		{"", false, "INVALID_JSON", "", "the body is empty; a JSON object was expected", ""},
		{" \n", false, "INVALID_JSON", "", "the body is empty; a JSON object was expected", ""},
		{"{", false, "INVALID_JSON", "", "the body is not JSON: unexpected end of JSON input (at byte 1)", ""},
		{"{'a':1}", false, "INVALID_JSON", "", `the body is not JSON: invalid character '\'' looking for beginning of object key string (at byte 2)`, ""},
		{`{"count":1,}`, false, "INVALID_JSON", "", "the body is not JSON: invalid character '}' looking for beginning of object key string (at byte 12)", ""},
		{`{"count":01}`, false, "INVALID_JSON", "", "the body is not JSON: invalid character '1' after object key:value pair (at byte 11)", ""},
		{`{} {}`, false, "INVALID_JSON", "", "the body is not JSON: invalid character '{' after top-level value (at byte 4)", ""},
		{`[]`, false, "INVALID_JSON", "", "the body must be a JSON object", ""},
		{`null`, false, "INVALID_JSON", "", "the body must be a JSON object", ""},
		{`"x"`, false, "INVALID_JSON", "", "the body must be a JSON object", ""},
		{`{"count":1,"count":2}`, false, "INVALID_JSON", "count", `the key "count" is there twice`, ""},
		{`{"count":1,"co\u0075nt":2}`, false, "INVALID_JSON", "count", `the key "count" is there twice`, ""},
		{`{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}`, true, "INVALID_JSON", "id", `the key "id" is there twice`, ""},
		{`{"titel":"x"}`, false, "INVALID_COLUMN", "titel", `Item has no field "titel"`, fieldsHint},
		{`{"":"x"}`, false, "INVALID_COLUMN", "", `Item has no field ""`, fieldsHint},
		{`{"Title":"x"}`, false, "INVALID_COLUMN", "Title", `Item has no field "Title"`, fieldsHint},
		{`{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}`, false, "INVALID_COLUMN", "id", `Item has no field "id"`, fieldsHint},
		{`{"kind":null}`, false, "INVALID_VALUE", "kind", "kind may not be null", ""},
		{`{"kind":"c"}`, false, "INVALID_VALUE", "kind", "kind must be one of: a, b", ""},
		{`{"kind":""}`, false, "INVALID_VALUE", "kind", "kind must be one of: a, b", ""},
		{`{"title":{}}`, false, "INVALID_VALUE", "title", "title must be a string, got an object", ""},
		{`{"owner":""}`, false, "INVALID_VALUE", "owner", "owner must be the id of a row: 1 to 128 characters", ""},
		{`{"owner":"` + strings.Repeat("x", 129) + `"}`, false, "INVALID_VALUE", "owner", "owner must be the id of a row: 1 to 128 characters", ""},
		{`{"count":2.5}`, false, "INVALID_VALUE", "count", "count must be an int: a whole number from -2^63 to 2^63-1, got 2.5", ""},
		{`{"count":9223372036854775808}`, false, "INVALID_VALUE", "count", "count must be an int: a whole number from -2^63 to 2^63-1, got 9223372036854775808", ""},
		{`{"count":1e400}`, false, "INVALID_VALUE", "count", "count must be an int: a whole number from -2^63 to 2^63-1, got 1e400", ""},
		{`{"count":9007199254740993.0}`, true, "INVALID_VALUE", "count", "count must be an int: a whole number from -2^63 to 2^63-1, got 9007199254740993.0", ""},
		{`{"count":1` + strings.Repeat("0", 99) + `}`, false, "INVALID_VALUE", "count", "count must be an int: a whole number from -2^63 to 2^63-1, got 1" + strings.Repeat("0", 63) + "…", ""},
	}
	for _, v := range badValues {
		cases = append(cases, bad{body: "{" + v.member + "}", code: "INVALID_VALUE", field: v.field, message: v.message})
	}
	for _, id := range []string{`5`, `null`, `""`, `"x"`, `"01arz3ndektsv4rrffq69g5fav"`, `"81ARZ3NDEKTSV4RRFFQ69G5FAV"`, `"01ARZ3NDEKTSV4RRFFQ69G5FA\u0056"`, `"01ARZ3NDEKTSV4RRFFQ69G5FAI"`} {
		cases = append(cases, bad{`{"id":` + id + `}`, true, "INVALID_VALUE", "id", "id must be a ULID: 26 characters of Crockford's base 32, upper case", ""})
	}
	e := sample(t)
	for _, c := range cases {
		t.Run(c.body, func(t *testing.T) {
			p, err := store.DecodePatch(e, []byte(c.body), c.wantID)
			wantError(t, err, store.Error{Kind: store.Invalid, Code: c.code, Field: c.field, Message: c.message, Hint: c.hint})
			if p != nil {
				t.Error("a patch came with the error")
			}
		})
	}
}

func TestDecodePatchTakes(t *testing.T) {
	e := sample(t)
	for _, c := range []struct {
		member string
		want   store.Value
	}{
		{`"title":""`, store.String("")},
		{`"title":"a\n\"\u00e4\ud83d\ude00"`, store.String("a\n\"ä😀")},
		{`"title":"lone \ud800 surrogate"`, store.String("lone \ufffd surrogate")},
		{`"title":null`, store.Null},
		{`"title" : "x" `, store.String("x")},
		{`"count":-9223372036854775808`, store.Int(-1 << 63)},
		{`"count":9223372036854775807`, store.Int(1<<63 - 1)},
		{`"count":3.0`, store.Int(3)}, {`"count":3e2`, store.Int(300)}, {`"count":-0`, store.Int(0)},
		{`"ratio":3`, store.Float(3)}, {`"ratio":-0.0`, store.Float(0)}, {`"ratio":1e308`, store.Float(1e308)}, {`"ratio":1e-400`, store.Float(0)},
		{`"done":true`, store.Bool(true)}, {`"done":false`, store.Bool(false)}, {`"done":null`, store.Null},
		{`"due":"2026-01-31T09:30:00Z"`, store.Time(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC))},
		{`"due":"2026-01-31T09:30:00.1234567+01:30"`, store.Time(time.Date(2026, 1, 31, 8, 0, 0, 123456000, time.UTC))},
		{`"due":"0001-01-01T00:00:00Z"`, store.Time(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))},
		{`"due":"9999-12-31T23:59:59.999999Z"`, store.Time(time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC))},
		{`"body":"<p>"`, store.Richtext("<p>")},
		{`"data":{ "z" : 1.50 , "a" : [ 1e3, "ä \u0000 <" ] }`, store.JSON(`{"z":1.50,"a":[1e3,"ä \u0000 <"]}`)},
		{`"data":"x"`, store.JSON(`"x"`)}, {`"data":[]`, store.JSON(`[]`)}, {`"data":null`, store.Null}, {`"data":false`, store.JSON("false")},
		{`"owner":"u1"`, store.ID("u1")},
		{`"kind":"b"`, store.String("b")},
		{`"hash":"x"`, store.String("x")},
	} {
		t.Run(c.member, func(t *testing.T) {
			p, err := store.DecodePatch(e, []byte("\t{"+c.member+"} "), false)
			must(t, err)
			names := p.Set.Names(e)
			if len(names) != 1 || !strings.HasPrefix(c.member, `"`+names[0]+`"`) {
				t.Fatalf("set: %v", names)
			}
			i, _ := e.Lookup(names[0])
			if p.Values[i] != c.want {
				t.Errorf("got %#v, want %#v", p.Values[i], c.want)
			}
		})
	}
	p, err := store.DecodePatch(e, []byte(`{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}`), true)
	must(t, err)
	if p.ID != "01ARZ3NDEKTSV4RRFFQ69G5FAV" || p.Set.Any() {
		t.Errorf("got %+v", p)
	}
}

func TestDecodeQueryRefuses(t *testing.T) {
	type bad struct{ body, code, field, message, hint string }
	const operators = "operators: $gt, $gte, $lt, $lte, $not, $in, $like"
	cases := []bad{
		{``, "INVALID_JSON", "", "the body is empty; a JSON object was expected", ""},
		{`[]`, "INVALID_JSON", "", "the body must be a JSON object", ""},
		{`{"nope":1}`, "INVALID_COLUMN", "nope", `Item has no field "nope"`, fieldsHint},
		{`{"hash":"x"}`, "INVALID_COLUMN", "hash", `Item has no field "hash"`, fieldsHint},
		{`{"$or":[]}`, "INVALID_QUERY", "$or", `unknown key "$or"`, "beside fields there are $order, $limit and $offset"},
		{`{"count":1,"count":2}`, "INVALID_JSON", "count", `the key "count" is there twice`, ""},
		{`{"$limit":1,"$limit":2}`, "INVALID_JSON", "$limit", `the key "$limit" is there twice`, ""},
		{`{"count":{"$gt":1,"$gt":2}}`, "INVALID_JSON", "count.$gt", `the key "count.$gt" is there twice`, ""},
		{`{"$order":{"count":"asc","count":"desc"}}`, "INVALID_JSON", "$order.count", `the key "$order.count" is there twice`, ""},
		{`{"$limit":0}`, "INVALID_QUERY", "$limit", "$limit must be a whole number from 1 to 1000", ""},
		{`{"$limit":1001}`, "INVALID_QUERY", "$limit", "$limit must be a whole number from 1 to 1000", ""},
		{`{"$limit":"5"}`, "INVALID_QUERY", "$limit", "$limit must be a whole number from 1 to 1000", ""},
		{`{"$limit":null}`, "INVALID_QUERY", "$limit", "$limit must be a whole number from 1 to 1000", ""},
		{`{"$limit":2.5}`, "INVALID_QUERY", "$limit", "$limit must be a whole number from 1 to 1000", ""},
		{`{"$offset":-1}`, "INVALID_QUERY", "$offset", "$offset must be a whole number from 0 to 2147483648", ""},
		{`{"$order":"count"}`, "INVALID_QUERY", "$order", `$order must be an object like {"createdAt":"desc"}`, ""},
		{`{"$order":{"count":"up"}}`, "INVALID_QUERY", "$order.count", `$order.count must be "asc" or "desc"`, ""},
		{`{"$order":{"count":1}}`, "INVALID_QUERY", "$order.count", `$order.count must be "asc" or "desc"`, ""},
		{`{"$order":{"hash":"asc"}}`, "INVALID_COLUMN", "hash", `Item has no field "hash"`, fieldsHint},
		{`{"count":{}}`, "INVALID_QUERY", "count", "the condition on count is empty", ""},
		{`{"count":{"$eq":1}}`, "INVALID_QUERY", "count", `count: unknown operator "$eq"`, operators},
		{`{"count":{"a":1}}`, "INVALID_QUERY", "count", `count: unknown operator "a"`, operators},
		{`{"data":{"$gt":1}}`, "INVALID_QUERY", "data", "$gt does not work on data, which is a json", ""},
		{`{"done":{"$lte":true}}`, "INVALID_QUERY", "done", "$lte does not work on done, which is a bool", ""},
		{`{"count":{"$gt":null}}`, "INVALID_QUERY", "count", "count: $gt takes a value, not null", ""},
		{`{"count":{"$in":5}}`, "INVALID_QUERY", "count", "count: $in takes a list", ""},
		{`{"count":{"$in":{}}}`, "INVALID_QUERY", "count", "count: $in takes a list", ""},
		{`{"count":{"$in":[1` + strings.Repeat(",1", 1000) + `]}}`, "INVALID_QUERY", "count", "count: $in takes at most 1000 values", ""},
		{`{"count":{"$in":[1,"x"]}}`, "INVALID_VALUE", "count", "count must be an int (whole number), got a string", ""},
		{`{"count":{"$not":"x"}}`, "INVALID_VALUE", "count", "count must be an int (whole number), got a string", ""},
		{`{"count":{"$not":{"$gt":1}}}`, "INVALID_VALUE", "count", "count must be an int (whole number), got an object", ""},
		{`{"count":{"$like":"x"}}`, "INVALID_QUERY", "count", "$like works on text, count is an int (whole number)", ""},
		{`{"title":{"$like":5}}`, "INVALID_QUERY", "title", "title: $like takes a string", ""},
		{`{"title":{"$like":null}}`, "INVALID_QUERY", "title", "title: $like takes a string", ""},
		{`{"title":{"$like":"\u0000"}}`, "INVALID_VALUE", "title", "title contains the character U+0000, which text cannot hold", ""},
		{`{"title":{"$like":"` + strings.Repeat("%", 10_001) + `"}}`, "INVALID_QUERY", "title", "title: a $like pattern has at most 10000 bytes", ""},
	}
	for _, v := range badValues {
		cases = append(cases, bad{"{" + v.member + "}", "INVALID_VALUE", v.field, v.message, ""})
	}
	e := sample(t)
	for _, c := range cases {
		name := c.body
		if len(name) > 60 {
			name = name[:60]
		}
		t.Run(name, func(t *testing.T) {
			q, err := store.DecodeQuery(e, []byte(c.body))
			wantError(t, err, store.Error{Kind: store.Invalid, Code: c.code, Field: c.field, Message: c.message, Hint: c.hint})
			if q != nil {
				t.Error("a query came with the error")
			}
		})
	}
}

func TestDecodeQueryTakes(t *testing.T) {
	e := sample(t)
	const title, count, ratio, done, data, owner = 0, 1, 2, 3, 6, 7
	cmp := func(field int, op store.CompareOp, v store.Value) store.Filter {
		return store.Compare{Field: field, Op: op, Value: v}
	}
	for _, c := range []struct {
		body string
		want store.Query
	}{
		{`{}`, store.Query{}},
		{`{"title":"x"}`, store.Query{Filter: store.And{cmp(title, "=", store.String("x"))}}},
		{`{"title":null}`, store.Query{Filter: store.And{store.IsNull{Field: title}}}},
		{`{"id":"x","done":false}`, store.Query{Filter: store.And{cmp(store.FieldIDIndex, "=", store.ID("x")), cmp(done, "=", store.Bool(false))}}},
		{`{"count":{"$gt":1,"$lte":2.5}}`, store.Query{Filter: store.And{cmp(count, ">", store.Int(1)), cmp(count, "<=", store.Float(2.5))}}},
		{`{"ratio":{"$gte":1,"$lt":1e30}}`, store.Query{Filter: store.And{cmp(ratio, ">=", store.Float(1)), cmp(ratio, "<", store.Float(1e30))}}},
		{`{"count":1e30}`, store.Query{Filter: store.And{cmp(count, "=", store.Float(1e30))}}},
		{`{"count":{"$not":null}}`, store.Query{Filter: store.And{store.Not{Filter: store.IsNull{Field: count}}}}},
		{`{"count":{"$in":[]}}`, store.Query{Filter: store.And{store.In{Field: count}}}},
		{`{"count":{"$in":[1,null,2]}}`, store.Query{Filter: store.And{store.Or{store.In{Field: count, Values: []store.Value{store.Int(1), store.Int(2)}}, store.IsNull{Field: count}}}}},
		{`{"owner":{"$like":"a%"}}`, store.Query{Filter: store.And{store.Like{Field: owner, Pattern: "a%"}}}},
		{`{"data":{"a" : 1}}`, store.Query{Filter: store.And{cmp(data, "=", store.JSON(`{"a":1}`))}}},
		{`{"data":{}}`, store.Query{Filter: store.And{cmp(data, "=", store.JSON(`{}`))}}},
		{`{"data":{"$not":[1, 2]}}`, store.Query{Filter: store.And{store.Not{Filter: cmp(data, "=", store.JSON(`[1,2]`))}}}},
		{`{"$order":{"count":"desc","id":"asc"},"$limit":5,"$offset":10}`, store.Query{Order: []store.Order{{Field: count, Desc: true}, {Field: store.FieldIDIndex}}, Limit: 5, Offset: 10}},
		{`{"$limit":1000,"$offset":0}`, store.Query{Limit: 1000}},
	} {
		t.Run(c.body, func(t *testing.T) {
			got, err := store.DecodeQuery(e, []byte(c.body))
			must(t, err)
			if c.want.Limit == 0 {
				c.want.Limit = store.MaxLimit
			}
			c.want.Entity = e
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("\n got %#v\nwant %#v", *got, c.want)
			}
		})
	}
}

func TestParseTextValue(t *testing.T) {
	e := sample(t)
	for _, c := range []struct {
		field, text string
		want        store.Value
		message     string
	}{
		{"title", `"x"`, store.String(`"x"`), ""}, {"title", "", store.String(""), ""}, {"body", "b", store.Richtext("b"), ""}, {"owner", "1", store.ID("1"), ""},
		{"count", "5", store.Int(5), ""}, {"count", " 5 ", store.Int(5), ""}, {"ratio", "5", store.Float(5), ""}, {"done", "true", store.Bool(true), ""},
		{"data", `{"a": 1}`, store.JSON(`{"a":1}`), ""}, {"due", "2026-01-31T09:30:00Z", store.Time(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)), ""},
		{"count", "null", store.Null, ""},
		{"count", "", store.Null, "count must be an int (whole number), got text"}, {"count", "x", store.Null, "count must be an int (whole number), got text"},
		{"count", `"5"`, store.Null, "count must be an int (whole number), got a string"}, {"done", "yes", store.Null, "done must be a bool, got text"},
		{"due", "now", store.Null, `due must be a datetime in RFC 3339, like 2026-01-31T09:30:00Z, got "now"`},
	} {
		i, _ := e.Lookup(c.field)
		got, err := store.ParseTextValue(&e.Fields[i], c.text)
		if c.message != "" {
			wantError(t, err, store.Error{Kind: store.Invalid, Code: "INVALID_VALUE", Field: c.field, Message: c.message})
		} else if err != nil || got != c.want {
			t.Errorf("%s %q: got %#v, %v; want %#v", c.field, c.text, got, err, c.want)
		}
	}
}
