package auth

import (
	"context"

	"github.com/pylon-go/pylon/store"
)

// InTx keeps identities in step with the user entity, in the same transaction:
// deleting a row ends all that belongs to the user, and a new e-mail address is
// the one to sign in with.
func (s *Service) InTx(_ context.Context, tx *store.Tx, w *store.Write) error {
	if w.Entity != s.user {
		return nil
	}
	switch {
	case w.Op == store.Delete:
		return forget(tx, w.ID)
	case w.Op == store.Update && s.emailField >= 0 && w.Changed[s.emailField]:
		return moveLogin(tx, w.ID, login(w.After.At(s.emailField).Str()))
	}
	return nil
}

// forget ends everything that belongs to a user. Organisations that he leaves
// empty end too; those he was the last owner of are left to administrators.
func forget(tx *store.Tx, userID string) error {
	user := store.String(userID)
	if err := tx.Exec("DELETE FROM "+orgTable+" WHERE id IN (SELECT org_id FROM "+memberTable+" WHERE user_id = ?)"+
		" AND id NOT IN (SELECT org_id FROM "+memberTable+" WHERE user_id <> ? AND org_id IN (SELECT org_id FROM "+memberTable+" WHERE user_id = ?))", user, user, user); err != nil {
		return err
	}
	for _, table := range []string{sessionTable, accountTable, keyTable, memberTable} {
		if err := tx.Exec("DELETE FROM "+table+" WHERE user_id = ?", user); err != nil {
			return err
		}
	}
	return nil
}

// moveLogin changes what a user signs in with, if he signs in with a password.
func moveLogin(tx *store.Tx, userID, to string) error {
	other, err := accountByLogin(tx, to)
	if err != nil {
		return err
	}
	if other != nil && other.userID != userID {
		return emailTaken()
	}
	return tx.Exec("UPDATE "+accountTable+" SET login = ? WHERE user_id = ? AND password IS NOT NULL", store.OptString(to), store.String(userID))
}
