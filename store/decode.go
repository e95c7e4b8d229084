package store

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/pylon-go/pylon/manifest"
)

// DecodeJSON reads a JSON object into a struct, strictly: an unknown key is an
// error that names the nearest one.
func DecodeJSON(body []byte, into any) error {
	known := jsonKeys(into)
	if err := EachMember(body, func(key string, _ []byte) error {
		if slices.Contains(known, key) {
			return nil
		}
		err := Errorf(Invalid, "UNKNOWN_KEY", "unknown key %q", key).WithField(key)
		if near := manifest.Nearest(key, known); near != "" {
			return err.WithHint("did you mean %q?", near)
		}
		return err.WithHint("known keys: %s", strings.Join(known, ", "))
	}); err != nil {
		return err
	}
	err := json.Unmarshal(body, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return Errorf(Invalid, "INVALID_VALUE", "%s must be %s, got %s", wrong.Field, jsonTypeName(wrong.Type), wrong.Value).WithField(wrong.Field)
	}
	return err
}

func jsonKeys(v any) []string {
	var keys []string
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		keys = append(keys, name)
	}
	return keys
}

func jsonTypeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a number"
	}
}
