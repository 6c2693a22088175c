/* Devices of one side of a pair: at most 16, so a list is searched. */
#include "presence/known.h"

#include "xfed/hash.h"
#include "xfed/mem.h"

#define DEVICES_MAX 16 /* of one user that one watcher is told of; further ones are left out */

static size_t place_of(const struct known *k, struct xfed_span name)
{
	size_t i = 0;
	while (i < k->count && !xfed_span_eq(k->list[i]->name, name)) {
		i++;
	}
	return i;
}

static void remove_at(struct known *k, size_t i)
{
	xfed_free(k->list[i]);
	k->list[i] = k->list[--k->count];
	bool is_last_doubtful = k->doubtful & 1U << k->count;
	k->doubtful = (k->doubtful & ~(1U << i)) | (uint32_t)is_last_doubtful << i;
}

void known_remove(struct known *k, struct xfed_span name)
{
	if (!name.data) {
		while (k->count > 0) {
			remove_at(k, k->count - 1);
		}
		return;
	}
	size_t i = place_of(k, name);
	if (i < k->count) {
		remove_at(k, i);
	}
}

static int make_room(struct known *k)
{
	if (k->count < k->room) {
		return XFED_OK;
	}
	if (k->count == DEVICES_MAX) {
		return XFED_ERR_LIMIT;
	}
	size_t room = k->room ? 2 * k->room : 1;
	struct iw_device **list = xfed_realloc(k->list, room * sizeof(k->list[0]));
	if (!list) {
		return XFED_ERR_NOMEM;
	}
	k->list = list;
	k->room = room;
	return XFED_OK;
}

int known_set(struct known *k, const struct iw_device *d, bool *is_new)
{
	size_t i = place_of(k, d->name);
	bool is_known = i < k->count;
	*is_new = is_known ? !iw_device_equal(k->list[i], d) : d->is_open;
	k->doubtful &= ~(1U << i);
	if (!d->is_open && is_known) {
		remove_at(k, i);
	}
	if (!d->is_open || !*is_new) {
		return XFED_OK;
	}
	int rc = is_known ? XFED_OK : make_room(k);
	struct iw_device *copy = rc == XFED_OK ? iw_device_copy(d) : NULL;
	if (!copy) {
		*is_new = false;
		return rc == XFED_OK ? XFED_ERR_NOMEM : rc;
	}
	if (is_known) {
		xfed_free(k->list[i]);
		k->list[i] = copy;
	} else {
		k->list[k->count++] = copy;
	}
	return XFED_OK;
}

bool known_forget_doubtful(struct known *k)
{
	size_t before = k->count;
	for (size_t i = k->count; i-- > 0;) {
		if (k->doubtful & 1U << i) {
			remove_at(k, i);
		}
	}
	k->doubtful = 0;
	return k->count < before;
}

static uint64_t mix(uint64_t sum, const void *bytes, size_t len)
{
	uint64_t parts[2] = { sum, xfed_hash_bytes(len > 0 ? bytes : "", len) };
	return xfed_hash_bytes(parts, sizeof(parts));
}

/* Covers what iw_device_equal() compares. */
uint64_t device_digest(const struct iw_device *d)
{
	int64_t facts[5] = { d->is_open, (int64_t)d->show, d->priority, d->activities, d->idle_since_s };
	uint64_t sum = mix(0, d->name.data, d->name.len);
	sum = mix(sum, facts, sizeof(facts));
	for (size_t i = 0; i < d->notes.count; i++) {
		sum = mix(sum, d->notes.list[i].text.data, d->notes.list[i].text.len);
		sum = mix(sum, d->notes.list[i].language.data, d->notes.list[i].language.len);
	}
	return sum;
}

uint64_t known_digest(const struct known *k)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < k->count; i++) {
		sum += device_digest(k->list[i]);
	}
	return sum;
}

void known_deinit(struct known *k)
{
	known_remove(k, xfed_span_make(NULL, 0));
	xfed_free(k->list);
	*k = (struct known){ 0 };
}
