#include "proto/sipmemory.h"

#include "proto/check.h"
#include "util/table.h"

#define KEY_BYTES_MAX (2 * PROTO_ID_BYTES + PROTO_URI_BYTES + 3 + sizeof(uint32_t))
#define MEMORY_BYTES  ((size_t)128 * 1024 * 1024)

struct sip_node {
	struct proto_sip_fate f; /* first member, which the caller sees */
	uint64_t forget_at_ms;
	struct sip_node *prev, *next; /* links of settled ones, oldest first */
	size_t key_len;
	UT_hash_handle hh;
	char key[];
};

struct proto_sipmemory {
	size_t max, count, bytes;
	struct sip_node *table;
	struct sip_node *oldest, *newest;
};

int proto_sipmemory_new(size_t max_entries, struct proto_sipmemory **out)
{
	*out = xfed_calloc(1, sizeof(**out));
	if (!*out) {
		return XFED_ERR_NOMEM;
	}
	(*out)->max = max_entries ? max_entries : (size_t)4 * XFED_DELIVERY_TABLE_MAX;
	return XFED_OK;
}

static size_t node_bytes(size_t key_len)
{
	return sizeof(struct sip_node) + key_len;
}

static void unlink_settled(struct proto_sipmemory *m, struct sip_node *n)
{
	if (n->prev) {
		n->prev->next = n->next;
	} else {
		m->oldest = n->next;
	}
	if (n->next) {
		n->next->prev = n->prev;
	} else {
		m->newest = n->prev;
	}
}

static void forget(struct proto_sipmemory *m, struct sip_node *n)
{
	if (n->f.is_settled) {
		unlink_settled(m, n);
	}
	HASH_DEL(m->table, n);
	m->count--;
	m->bytes -= node_bytes(n->key_len);
	xfed_free(n);
}

void proto_sipmemory_free(struct proto_sipmemory *m)
{
	if (!m) {
		return;
	}
	while (m->table) {
		forget(m, m->table);
	}
	xfed_free(m);
}

/* The four parts one after the other, texts with their NUL, so that different parts never give the same key. 0: too long. */
static size_t make_key(const Xfed__SipKey *k, char key[KEY_BYTES_MAX])
{
	const char *texts[] = { k->call_id, k->from_tag, k->request_uri };
	size_t len = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(texts); i++) {
		size_t n = strlen(texts[i]) + 1;
		if (n > KEY_BYTES_MAX - sizeof(k->cseq) - len) {
			return 0;
		}
		memcpy(key + len, texts[i], n);
		len += n;
	}
	memcpy(key + len, &k->cseq, sizeof(k->cseq));
	return len + sizeof(k->cseq);
}

static struct sip_node *find(struct proto_sipmemory *m, const char *key, size_t len)
{
	struct sip_node *n = NULL;
	HASH_FIND(hh, m->table, key, len, n);
	return n;
}

static struct sip_node *find_key(struct proto_sipmemory *m, const Xfed__SipKey *k)
{
	XFED_UNSET char key[KEY_BYTES_MAX];
	size_t len = make_key(k, key);
	return len > 0 ? find(m, key, len) : NULL;
}

static int remember(struct proto_sipmemory *m, const char *key, size_t len, const struct proto_waiter *who, struct sip_node **out)
{
	if (m->count >= m->max || m->bytes > MEMORY_BYTES - node_bytes(len)) {
		return XFED_ERR_LIMIT;
	}
	struct sip_node *n = xfed_malloc(node_bytes(len));
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	memset(n, 0, sizeof(*n));
	memcpy(n->key, key, len);
	n->key_len = len;
	n->f.waiters[0] = *who;
	n->f.waiter_count = 1;
	HASH_ADD_KEYPTR(hh, m->table, n->key, len, n);
	if (!XFED_TABLE_ADDED(n)) {
		xfed_free(n);
		return XFED_ERR_NOMEM;
	}
	m->count++;
	m->bytes += node_bytes(len);
	*out = n;
	return XFED_OK;
}

static enum proto_sip_verdict join(struct proto_sip_fate *f, const struct proto_waiter *who)
{
	for (size_t i = 0; i < f->waiter_count; i++) {
		if (f->waiters[i].run == who->run && f->waiters[i].seq == who->seq) {
			return PROTO_SIP_WAIT;
		}
	}
	if (f->waiter_count == PROTO_SIPMEMORY_WAITERS) {
		return PROTO_SIP_BUSY;
	}
	f->waiters[f->waiter_count++] = *who;
	return PROTO_SIP_WAIT;
}

int proto_sipmemory_claim(struct proto_sipmemory *m, const Xfed__SipKey *key, const struct proto_waiter *who, uint64_t now_ms,
	enum proto_sip_verdict *verdict, struct proto_sip_fate **fate)
{
	XFED_UNSET char bytes[KEY_BYTES_MAX];
	size_t len = make_key(key, bytes);
	*fate = NULL;
	if (len == 0) {
		return XFED_ERR_LIMIT;
	}
	proto_sipmemory_tick(m, now_ms);
	struct sip_node *n = find(m, bytes, len);
	if (!n) {
		int rc = remember(m, bytes, len, who, &n);
		if (rc != XFED_OK) {
			return rc;
		}
		*verdict = PROTO_SIP_FIRST;
	} else {
		*verdict = n->f.is_settled ? PROTO_SIP_SETTLED : join(&n->f, who);
	}
	*fate = &n->f;
	return XFED_OK;
}

struct proto_sip_fate *proto_sipmemory_find(struct proto_sipmemory *m, const Xfed__SipKey *key)
{
	struct sip_node *n = find_key(m, key);
	return n ? &n->f : NULL;
}

int proto_sipmemory_settle(struct proto_sipmemory *m, const Xfed__SipKey *key, const struct proto_result *result, uint64_t now_ms)
{
	struct sip_node *n = find_key(m, key);
	if (!n) {
		return XFED_ERR_NOT_FOUND;
	}
	if (n->f.is_settled) {
		return XFED_ERR_STATE;
	}
	n->f.is_settled = true;
	n->f.result = *result;
	n->f.result.told = NULL; /* not valid as long as the entry */
	n->forget_at_ms = now_ms + XFED_DELIVERY_SIP_MEMORY_MS;
	n->prev = m->newest;
	if (m->newest) {
		m->newest->next = n;
	} else {
		m->oldest = n;
	}
	m->newest = n;
	return XFED_OK;
}

void proto_sipmemory_tick(struct proto_sipmemory *m, uint64_t now_ms)
{
	while (m->oldest && m->oldest->forget_at_ms <= now_ms) {
		forget(m, m->oldest);
	}
}

size_t proto_sipmemory_count(const struct proto_sipmemory *m)
{
	return m->count;
}
