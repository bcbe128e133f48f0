package delivery

import (
	"bytes"
	"fmt"
)

// Join returns the state of component id in s. The first call creates the state with create and restores it; the order of these first
// calls is the pipeline order in which the driver calls the components. If the session tolerates a failed restore, create is called a
// second time. An error, which wraps [ErrState] if the state was the cause, must end the batch.
func Join[T Stateful](s *Session, id string, create func() T) (T, error) {
	var none T
	s.mu.RLock()
	state, ok := s.find(id)
	s.mu.RUnlock()
	if !ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		if state, ok = s.find(id); !ok {
			if s.closed {
				return none, fmt.Errorf("partition %q: %w", s.label, ErrEnded)
			}
			made, err := restore(s, id, create)
			if err != nil {
				return none, err
			}
			s.members = append(s.members, member{id: id, state: made})
			return made, nil
		}
	}
	typed, ok := state.(T)
	if !ok {
		return none, fmt.Errorf("component %q joined partition %q with state %T before, and now with %T", id, s.label, state, none)
	}
	return typed, nil
}

// restore creates a state, with the checkpoint's content if there is any. s.mu is held.
func restore[T Stateful](s *Session, id string, create func() T) (T, error) {
	state := create()
	data, ok := s.restored[id]
	if !ok {
		return state, nil
	}
	if err := state.Restore(bytes.NewReader(data)); err != nil {
		err = fmt.Errorf("component %q of partition %q: %w: %w", id, s.label, ErrState, err)
		if err := s.refused(id, err); err != nil {
			return state, err
		}
		closeState(state)
		state = create()
	} else {
		s.pending = true
	}
	delete(s.restored, id)
	return state, nil
}

// find returns the member called id. s.mu is held, for reading at least.
func (s *Session) find(id string) (Stateful, bool) {
	for _, m := range s.members {
		if m.id == id {
			return m.state, true
		}
	}
	return nil, false
}
