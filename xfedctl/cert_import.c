/* cert import: what an authority, or a client of one, has handed over, checked and put in place. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cert_bundle.h"
#include "cert_pair.h"
#include "xfed/mem.h"
#include "xfed/rt/process.h"

/* Where the key of the certificate was found. */
enum source { OF_FILES, OF_REQUEST, OF_PLACE };

struct import {
	struct cert_run *r;
	struct cert_pile pile;
	struct cert_place place;
	enum source source;
	size_t leaf, key; /* in the pile; key: OF_FILES */
	struct cert_chain chain;
	struct xfed_cert *facts;
	char unread[CERT_ERROR]; /* why a key of this host could not be looked at; "": all could */
};

/* ---- pass phrases ---- */

/* The first line of the file, without its end. */
static int pass_of_file(struct cert_run *r, const char *path, char out[CERT_PASS_BYTES])
{
	struct xfed_buf text;
	int rc = cert_file_read(path, &text, r->error);
	if (rc == XFED_OK) {
		struct xfed_span rest = xfed_buf_span(&text), line = xfed_span_cut(&rest, '\n');
		line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
		if (line.len >= CERT_PASS_BYTES) {
			snprintf(r->error, sizeof(r->error), "%.300s: the first line is longer than any pass phrase is", path);
			rc = XFED_ERR_INVALID;
		} else {
			memcpy(out, line.data, line.len);
			out[line.len] = '\0';
		}
	}
	xfed_buf_wipe(&text);
	return rc;
}

/*
 * A line, not shown; -1: the terminal does not give one. What ends or stops us meanwhile waits until it echoes again: it is blocked, and seen
 * by `signals`, which nobody reads, so that it does its work where it is let through.
 */
static ssize_t read_hidden(int fd, int signals, const sigset_t *ends, const char *path, char out[CERT_PASS_BYTES])
{
	struct termios was, is;
	ssize_t n = -1;
	bool is_ended = true;
	while (is_ended) { /* a second time where it was stopped, and goes on */
		sigset_t before;
		if (sigprocmask(SIG_BLOCK, ends, &before) != 0 || tcgetattr(fd, &was) != 0) {
			return -1;
		}
		is = was;
		is.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(fd, TCSAFLUSH, &is);
		dprintf(fd, "Pass phrase of %s: ", path);
		struct pollfd of[] = { { .fd = fd, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
		int ready = poll(of, XFED_ARRAY_LEN(of), -1);
		is_ended = ready > 0 && of[1].revents != 0;
		n = ready > 0 && !is_ended ? read(fd, out, CERT_PASS_BYTES - 1) : -1;
		(void)tcsetattr(fd, TCSAFLUSH, &was);
		dprintf(fd, "\n");
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
	}
	return n;
}

/* From the terminal, even where standard input is something else. */
static int pass_of_terminal(struct cert_run *r, const char *path, char out[CERT_PASS_BYTES])
{
	static const int numbers[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP };
	sigset_t ends;
	sigemptyset(&ends);
	for (size_t i = 0; i < XFED_ARRAY_LEN(numbers); i++) {
		sigaddset(&ends, numbers[i]);
	}
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), signals = signalfd(-1, &ends, SFD_CLOEXEC);
	ssize_t n = fd >= 0 && signals >= 0 ? read_hidden(fd, signals, &ends, path, out) : -1;
	if (n < 0) {
		snprintf(r->error, sizeof(r->error), "%.300s needs a pass phrase, and there is no terminal to ask at: --pass-file FILE", path);
	}
	if (fd >= 0) {
		close(fd);
	}
	if (signals >= 0) {
		close(signals);
	}
	n -= n > 0 && out[n - 1] == '\n';
	out[n > 0 ? n : 0] = '\0';
	return n >= 0 ? XFED_OK : XFED_ERR_INVALID;
}

static int ask_pass(struct cert_run *r, const char *path, char out[CERT_PASS_BYTES])
{
	const char *file = cert_run_arg(r, "pass-file");
	return file ? pass_of_file(r, file, out) : pass_of_terminal(r, path, out);
}

/* ---- reading ---- */

static int add_bytes(struct import *m, const char *path, struct xfed_span bytes)
{
	char words[CERT_ERROR], pass[CERT_PASS_BYTES] = "";
	struct cert_run *r = m->r;
	if (cert_bundle_is(bytes)) { /* its certificate is no one partners are shown */
		snprintf(r->error, sizeof(r->error), "%.300s: that is a bundle of the channel: xfedctl cert channel-join", path);
		return XFED_ERR_INVALID;
	}
	int rc = cert_pile_add(&m->pile, bytes, NULL, words);
	if (rc == XFED_ERR_AGAIN) {
		rc = ask_pass(r, path, pass);
		if (rc != XFED_OK) {
			return rc;
		}
		rc = cert_pile_add(&m->pile, bytes, pass, words);
		xfed_wipe(pass, sizeof(pass));
	}
	if (rc == XFED_ERR_STATE) {
		snprintf(r->error, sizeof(r->error), "%.300s: that is not its pass phrase", path);
		rc = XFED_ERR_INVALID;
	} else if (rc == XFED_ERR_INVALID) {
		snprintf(r->error, sizeof(r->error), "%.200s %.700s", path, words);
	}
	return rc;
}

static int read_files(struct import *m)
{
	size_t i;
	json_t *path;
	int rc = XFED_OK;
	json_array_foreach(json_object_get(m->r->args, "files"), i, path) {
		struct xfed_buf text;
		rc = cert_file_read(json_string_value(path), &text, m->r->error);
		rc = rc == XFED_OK ? add_bytes(m, json_string_value(path), xfed_buf_span(&text)) : rc;
		xfed_buf_wipe(&text);
		if (rc != XFED_OK) {
			return rc;
		}
	}
	if (m->pile.crt_count == 0) {
		snprintf(m->r->error, sizeof(m->r->error), "there is a key, and no certificate: give the file of that too");
		rc = XFED_ERR_INVALID;
	}
	return rc;
}

/* ---- whose it is ---- */

static bool find_leaf(const struct cert_pile *p, const struct cert_id *key, size_t *leaf)
{
	for (size_t i = 0; i < p->crt_count; i++) {
		struct cert_id crt;
		if (cert_id_of(p->crts[i], &crt) == XFED_OK && cert_id_eq(&crt, key)) {
			*leaf = i;
			return true;
		}
	}
	return false;
}

/* A certificate of the pile that a key file of ours belongs to. */
static bool fits_file(struct import *m, const char *path, size_t *leaf)
{
	struct cert_pile p = { .crt_count = 0 };
	struct xfed_buf text;
	struct cert_id key;
	char words[CERT_ERROR];
	int rc = cert_file_read(path, &text, words);
	if (rc != XFED_OK && rc != XFED_ERR_NOT_FOUND && !m->unread[0]) {
		snprintf(m->unread, sizeof(m->unread), "%s", words);
	}
	bool fits = rc == XFED_OK && cert_pile_add(&p, xfed_buf_span(&text), NULL, words) == XFED_OK && p.key_count == 1 &&
		    cert_id_of_key(p.keys[0], &key) == XFED_OK && find_leaf(&m->pile, &key, leaf);
	cert_pile_deinit(&p);
	xfed_buf_wipe(&text);
	return fits;
}

static bool is_role_wanted(const struct import *m, const struct cert_pair *p)
{
	const char *word = cert_run_arg(m->r, "for"), *file = cert_run_arg(m->r, "certificate");
	return p->role != CERT_ROLE_CHANNEL && (!word || strcmp(word, cert_role_word(p->role)) == 0) && (!file || strcmp(file, p->certificate) == 0);
}

static bool fits_pair(struct import *m, const struct cert_host *h, const struct cert_pair *p)
{
	char pending[PATH_MAX + 8];
	bool is_new = is_role_wanted(m, p) && fits_file(m, cert_pair_pending(p, pending), &m->leaf);
	bool is_there = is_new || (is_role_wanted(m, p) && fits_file(m, p->key, &m->leaf));
	if (is_there) {
		m->source = is_new ? OF_REQUEST : OF_PLACE;
		m->place = (struct cert_place){ h, p };
	}
	return is_there;
}

/* A key that was made here for a request, or one that is in use already. */
static bool fits_any(struct import *m)
{
	const struct cert_run *r = m->r;
	struct cert_place panel;
	for (size_t i = 0; i < r->hosts.count; i++) {
		for (size_t k = 0; k < r->hosts.items[i].pair_count; k++) {
			if (fits_pair(m, &r->hosts.items[i], &r->hosts.items[i].pairs[k])) {
				return true;
			}
		}
	}
	return cert_pair_choose(m->r, CERT_ROLE_PANEL, NULL, 0, &panel) == XFED_OK && fits_pair(m, panel.host, panel.pair);
}

/* The domains and hosts a certificate is for, without what says which kind of name it is. Returns how many. */
static size_t list_names(const struct xfed_cert *cert, const char **out, size_t max)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	size_t count = 0;
	for (size_t i = 0; i < f->name_count && count < max; i++) {
		if (strncmp(f->names[i], "dns:", 4) == 0) {
			out[count++] = f->names[i] + 4;
		}
	}
	return count;
}

/* By a key that came along: the place is found by the names. */
static int choose_place(struct import *m)
{
	const char *names[CERT_NAMES_MAX];
	struct cert_id key;
	struct cert_run *r = m->r;
	for (m->key = 0; m->key < m->pile.key_count; m->key++) {
		if (cert_id_of_key(m->pile.keys[m->key], &key) == XFED_OK && find_leaf(&m->pile, &key, &m->leaf)) {
			break;
		}
	}
	if (m->key == m->pile.key_count) {
		snprintf(r->error, sizeof(r->error), "%s",
			m->key > 0 ? "the key is not that of any certificate in the files"
			: m->unread[0]
				? m->unread
				: "no key of this host belongs to it: it was asked for on another host, or with another key. Where the key is in "
				  "a file of its own, "
				  "give that too");
		return XFED_ERR_INVALID;
	}
	m->source = OF_FILES;
	int rc = cert_facts_of(m->pile.crts[m->leaf], &m->facts);
	if (rc == XFED_ERR_INVALID) {
		snprintf(r->error, sizeof(r->error), "the certificate has names that nobody may have");
	}
	enum cert_role role = CERT_ROLE_EDGE;
	rc = rc == XFED_OK ? cert_role_of(r, &role) : rc;
	return rc == XFED_OK ? cert_pair_choose(r, role, names, list_names(m->facts, names, XFED_ARRAY_LEN(names)), &m->place) : rc;
}

static int find_place(struct import *m)
{
	if (!fits_any(m)) {
		return choose_place(m);
	}
	int rc = cert_facts_of(m->pile.crts[m->leaf], &m->facts);
	if (rc == XFED_ERR_INVALID) {
		snprintf(m->r->error, sizeof(m->r->error), "the certificate has names that nobody may have");
	}
	return rc;
}

/* ---- whether it is good ---- */

static const char *trust_of(const struct cert_host *h)
{
	return h->edge ? (strcmp(h->edge->trust.ca, "system") == 0 ? NULL : h->edge->trust.ca) : h->gateway->sip.ca;
}

/* One that is not there trusts nobody: the chain says what is missing. */
static int add_trust(struct cert_run *r, struct cert_trust *t, const char *path)
{
	struct xfed_buf text;
	char words[256];
	if (!path || (access(path, F_OK) != 0 && errno == ENOENT)) {
		return XFED_OK;
	}
	int rc = rt_file_read(path, RT_PEM_BYTES, &text, words);
	if (rc != XFED_OK) {
		snprintf(r->error, sizeof(r->error), "%s", words);
		return rc;
	}
	rc = cert_trust_add(t, xfed_buf_span(&text));
	xfed_buf_deinit(&text);
	return rc == XFED_ERR_NOMEM ? rc : XFED_OK;
}

static int check_chain(struct import *m)
{
	struct cert_trust t;
	struct cert_run *r = m->r;
	int rc = cert_trust_init(&t);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = add_trust(r, &t, RT_SYSTEM_CA);
	rc = rc == XFED_OK ? add_trust(r, &t, trust_of(m->place.host)) : rc;
	rc = rc != XFED_OK ? rc : cert_chain_find(&m->pile, m->leaf, &t, r->now_s, &m->chain, r->error);
	cert_trust_deinit(&t);
	if (rc == XFED_OK && m->chain.is_self_signed) {
		cert_run_add(r->notes, "it signed itself: who checks certificates refuses it");
	} else if (rc == XFED_OK && !m->chain.is_trusted) {
		cert_run_add(
			r->notes, "its authority, %s, is none that this system trusts: who checks certificates has to be told of it", m->chain.root);
	}
	return rc;
}

static int check_purpose(struct import *m)
{
	struct cert_run *r = m->r;
	unsigned eku = xfed_cert_facts(m->facts)->eku;
	bool is_sip = m->place.pair->role == CERT_ROLE_SIP;
	bool is_fine = is_sip ? xfed_cert_purpose_sip_ok(m->facts) : xfed_cert_purpose_ok(m->facts);
	if (!is_fine) {
		snprintf(r->error, sizeof(r->error),
			"the certificate is not for servers (extended key usage serverAuth): ask the authority for one that is");
		return XFED_ERR_INVALID;
	}
	if (m->place.pair->role == CERT_ROLE_EDGE && eku != 0 && !(eku & (XFED_EKU_CLIENT | XFED_EKU_ANY))) {
		cert_run_add(r->notes,
			"it is not for clients (clientAuth), as with most public authorities now: some partners refuse a login by it (EXTERNAL), "
			"and are reached by dialback");
	}
	return XFED_OK;
}

/* What the certificate that is there proves must not be lost. */
static bool is_lost(struct import *m, const struct xfed_cert *before, const char *domain)
{
	return before && xfed_cert_proves_xmpp(before, xfed_span_str(domain)) && !xfed_cert_proves_xmpp(m->facts, xfed_span_str(domain));
}

static int check_domains(struct import *m, const json_t *domains, const struct xfed_cert *before)
{
	struct cert_run *r = m->r;
	size_t i, proved = 0;
	json_t *domain;
	json_array_foreach(domains, i, domain) {
		const char *name = json_string_value(domain);
		bool is_proved = xfed_cert_proves_xmpp(m->facts, xfed_span_str(name));
		proved += is_proved;
		if (is_lost(m, before, name)) {
			snprintf(r->error, sizeof(r->error),
				"it does not name %.200s, which the certificate in its place does: partners would refuse us as that", name);
			return XFED_ERR_INVALID;
		}
		if (!is_proved) {
			cert_run_add(r->notes, "it does not name %s: cert check shows whether another certificate does", name);
		}
	}
	if (proved == 0 && json_array_size(domains) > 0) {
		snprintf(r->error, sizeof(r->error), "it names none of our domains (%.200s%s)", json_string_value(json_array_get(domains, 0)),
			json_array_size(domains) > 1 ? ", ..." : "");
		return XFED_ERR_INVALID;
	}
	return XFED_OK;
}

static int check_names(struct import *m)
{
	const struct cert_pair *p = m->place.pair;
	struct cert_run *r = m->r;
	if (p->role == CERT_ROLE_SIP) {
		bool lacks_name = cert_pair_lacks_name(p, m->facts);
		if (lacks_name) {
			snprintf(r->error, sizeof(r->error), "it does not name %.200s, which is %s.advertise: SIP servers would refuse it", p->name,
				p->where);
		}
		return lacks_name ? XFED_ERR_INVALID : XFED_OK;
	}
	if (p->role != CERT_ROLE_EDGE) {
		return XFED_OK;
	}
	char words[CERT_ERROR];
	struct xfed_cert *before = NULL;
	json_t *domains = cert_host_domains(m->place.host);
	(void)cert_pair_load(p->certificate, &before, words); /* there may be none, or a broken one */
	if (!domains) {
		cert_run_add(r->notes, "which domains it has to name is not known here, as no gateway has linked yet");
	}
	int rc = check_domains(m, domains, before);
	json_decref(domains);
	xfed_cert_free(before);
	return rc;
}

/* ---- into place ---- */

static int print_key(struct import *m, struct xfed_buf *key)
{
	char path[PATH_MAX + 8];
	if (m->source == OF_FILES) {
		return cert_pem_of_key(m->pile.keys[m->key], key);
	}
	return cert_file_read(cert_pair_pending(m->place.pair, path), key, m->r->error);
}

static int plan_key(struct import *m)
{
	char path[PATH_MAX + 8];
	struct xfed_buf key;
	struct cert_run *r = m->r;
	const struct cert_pair *p = m->place.pair;
	if (m->source == OF_PLACE) {
		return XFED_OK;
	}
	xfed_buf_init(&key, CERT_PEM_BYTES);
	int rc = print_key(m, &key);
	rc = rc == XFED_OK ? cert_plan_add(&r->plan, p->key, xfed_buf_span(&key), CERT_PLAN_KEY, r->error) : rc;
	xfed_buf_wipe(&key);
	if (rc == XFED_OK && m->source == OF_REQUEST) {
		rc = cert_plan_remove(&r->plan, cert_pair_pending(p, path), r->error);
	}
	cert_run_add(r->done, "%s: its key, readable for the service alone", p->key);
	return rc;
}

static int plan_certificate(struct import *m)
{
	char until[64];
	struct xfed_buf text;
	struct cert_run *r = m->r;
	const struct cert_pair *p = m->place.pair;
	const struct xfed_cert_facts *f = xfed_cert_facts(m->facts);
	xfed_buf_init(&text, CERT_PEM_BYTES);
	int rc = cert_chain_print(&m->chain, &text);
	rc = rc == XFED_OK ? cert_plan_add(&r->plan, p->certificate, xfed_buf_span(&text), CERT_PLAN_PUBLIC, r->error) : rc;
	xfed_buf_deinit(&text);
	cert_run_add(r->done, "%s: the certificate of %s by %s, good until %s, with %zu of its chain", p->certificate, f->subject, f->issuer,
		cert_until(f->not_after_s, r->now_s, until), m->chain.count - 1);
	return rc;
}

static int plan(struct import *m)
{
	char copy[PATH_MAX];
	struct cert_run *r = m->r;
	snprintf(copy, sizeof(copy), "%s", m->place.pair->certificate);
	char *slash = strrchr(copy, '/');
	if (slash) {
		*slash = '\0';
	}
	r->plan.uid = m->place.host->uid;
	r->plan.gid = m->place.host->gid;
	int rc = cert_plan_dir(&r->plan, copy, 0755, r->error);
	rc = rc == XFED_OK ? plan_key(m) : rc;
	return rc == XFED_OK ? plan_certificate(m) : rc;
}

static enum ctl_exit import(struct import *m)
{
	struct cert_run *r = m->r;
	int rc = read_files(m);
	rc = rc == XFED_OK ? find_place(m) : rc;
	rc = rc == XFED_OK ? check_chain(m) : rc;
	rc = rc == XFED_OK ? check_purpose(m) : rc;
	rc = rc == XFED_OK ? check_names(m) : rc;
	rc = rc == XFED_OK ? plan(m) : rc;
	if (rc != XFED_OK) {
		return cert_run_refuse(r, rc);
	}
	if (json_object_get(r->args, "dry-run")) {
		cert_run_add(r->notes, "nothing is changed (--dry-run)");
		return cert_run_tell(r);
	}
	enum ctl_exit status = cert_run_commit(r, m->place.host);
	return status == CTL_FINE ? cert_run_tell(r) : status;
}

enum ctl_exit ctl_do_cert_import(const json_t *args, const struct ctl_options *options)
{
	struct cert_run r;
	struct import m = { .r = &r };
	const char *word = ctl_str(args, "for");
	enum cert_wanted wanted = strcmp(word, "edge") == 0 ? CERT_OF_EDGES : word[0] ? CERT_OF_GATEWAYS : CERT_OF_ANY;
	enum ctl_exit status = cert_run_open(&r, wanted, args, options);
	status = status == CTL_FINE ? import(&m) : status;
	xfed_cert_free(m.facts);
	cert_pile_deinit(&m.pile);
	cert_run_close(&r);
	return status;
}
