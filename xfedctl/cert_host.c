#include "cert_host.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "xfed/mem.h"

/* ---- one file ---- */

int cert_file_read(const char *path, struct xfed_buf *text, char error[CERT_ERROR])
{
	return cert_file_read_most(path, CERT_FILE_BYTES, text, error);
}

int cert_file_read_most(const char *path, size_t max, struct xfed_buf *text, char error[CERT_ERROR])
{
	char words[256];
	struct stat st;
	xfed_buf_init(text, max);
	if (stat(path, &st) != 0 && errno == ENOENT) {
		snprintf(error, CERT_ERROR, "%.300s: there is no such file", path);
		return XFED_ERR_NOT_FOUND;
	}
	int rc = rt_file_read(path, max, text, words);
	if (rc != XFED_OK) {
		snprintf(error, CERT_ERROR, "%s", words);
	}
	return rc;
}

/* As the service it is of: with fewer mistakes. */
static int parse(struct cert_host *h, struct xfed_span text, char error[CERT_ERROR])
{
	struct rt_conf_errors *e = xfed_calloc(2, sizeof(*e));
	if (!e) {
		return XFED_ERR_NOMEM;
	}
	rt_conf_errors_init(&e[0]);
	rt_conf_errors_init(&e[1]);
	(void)edge_config_parse(h->path, text, &e[0], &h->edge);
	(void)config_parse(h->path, text, &e[1], &h->gateway);
	const struct rt_conf_errors *fewer = &e[e[1].error_count < e[0].error_count];
	int rc = h->edge || h->gateway ? XFED_OK : XFED_ERR_INVALID;
	for (size_t i = 0; rc != XFED_OK && i < fewer->count; i++) {
		const struct rt_conf_problem *p = &fewer->items[i];
		if (!p->is_warning) {
			snprintf(error, CERT_ERROR, "%.300s:%u: %s%s%.400s", h->path, p->line, p->key ? p->key : "", p->key && p->key[0] ? ": " : "",
				p->text);
			break;
		}
	}
	h->base = h->edge ? &h->edge->base : h->gateway ? &h->gateway->base : NULL;
	if (h->base) {
		h->base->doc.errors = NULL;
	}
	rt_conf_errors_deinit(&e[0]);
	rt_conf_errors_deinit(&e[1]);
	xfed_free(e);
	return rc;
}

/* ---- its certificates ---- */

static void add_pair(struct cert_host *h, enum cert_role role, const char *where, const char *certificate, const char *key, const char *name)
{
	if (certificate && key) {
		h->pairs[h->pair_count++] = (struct cert_pair){ .role = role, .where = where, .certificate = certificate, .key = key, .name = name };
	}
}

static int list_pairs(struct cert_host *h)
{
	size_t most = h->edge ? h->edge->certificates.count + 1 : 4;
	h->pairs = xfed_calloc(most, sizeof(*h->pairs));
	if (!h->pairs) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; h->edge && i < h->edge->certificates.count; i++) {
		const struct edge_certificate *c = &h->edge->certificates.items[i];
		const char *where = xfed_arena_printf(&h->base->doc.arena, "certificates[%zu]", i).data;
		if (!where) {
			return XFED_ERR_NOMEM;
		}
		add_pair(h, CERT_ROLE_EDGE, where, c->certificate, c->key, NULL);
	}
	if (h->edge) {
		add_pair(h, CERT_ROLE_CHANNEL, "channel", h->edge->channel.certificate, h->edge->channel.key, NULL);
		return XFED_OK;
	}
	const struct config *g = h->gateway;
	add_pair(h, CERT_ROLE_SIP, "sip", g->sip.certificate, g->sip.key, g->sip.advertise);
	add_pair(h, CERT_ROLE_SIP, "sip.federation", g->sip.federation.certificate, g->sip.federation.key, g->sip.federation.advertise);
	add_pair(h, CERT_ROLE_CHANNEL, "channel", g->channel.certificate, g->channel.key, NULL);
	return XFED_OK;
}

const char *cert_host_service(const struct cert_host *h)
{
	return h->edge ? "xfed-edge" : "xfed-gateway";
}

static void find_user(struct cert_host *h)
{
	const struct passwd *p = geteuid() == 0 ? getpwnam(cert_host_service(h)) : NULL;
	h->uid = p ? p->pw_uid : geteuid();
	h->gid = p ? p->pw_gid : getegid();
}

static void host_close(struct cert_host *h)
{
	edge_config_free(h->edge);
	config_free(h->gateway);
	xfed_free(h->pairs);
	*h = (struct cert_host){ 0 };
}

static int host_open(struct cert_host *h, const char *path, char error[CERT_ERROR])
{
	struct xfed_buf text;
	*h = (struct cert_host){ 0 };
	folder_of(path, h->path, h->dir); /* what it names may be anywhere, but its folder is where it really lies */
	int rc = folder_check_owner(h->path, error);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = cert_file_read(h->path, &text, error);
	rc = rc == XFED_OK ? parse(h, xfed_buf_span(&text), error) : rc;
	xfed_buf_deinit(&text);
	rc = rc == XFED_OK ? list_pairs(h) : rc;
	if (rc == XFED_OK) {
		find_user(h);
	} else {
		host_close(h);
	}
	return rc;
}

/* ---- all of them ---- */

static bool is_wanted(const struct cert_host *h, enum cert_wanted wanted, const char *name)
{
	bool is_kind = wanted == CERT_OF_ANY || (wanted == CERT_OF_EDGES) == (h->edge != NULL);
	return is_kind && (!name || strcmp(h->base->name, name) == 0);
}

static int too_many(char error[CERT_ERROR])
{
	snprintf(error, CERT_ERROR, "more than %d services are configured in " FOLDER_CONFIG ": name the file of one with --config", CERT_HOSTS_MAX);
	return XFED_ERR_INVALID;
}

static int add_host(struct cert_hosts *hosts, enum cert_wanted wanted, const char *path, const char *name, char error[CERT_ERROR])
{
	struct cert_host h;
	int rc = host_open(&h, path, error);
	if (rc == XFED_ERR_NOT_FOUND) {
		return XFED_OK;
	}
	if (rc == XFED_OK && !is_wanted(&h, wanted, name)) {
		host_close(&h);
	} else if (rc == XFED_OK && hosts->count == CERT_HOSTS_MAX) {
		host_close(&h);
		rc = too_many(error);
	} else if (rc == XFED_OK) {
		hosts->items[hosts->count++] = h;
	}
	return rc;
}

static int add_dir(struct cert_hosts *hosts, enum cert_wanted wanted, const char *dir, const char *name, char error[CERT_ERROR])
{
	struct dirent **list = NULL;
	char words[96];
	int count = scandir(dir, &list, NULL, alphasort), rc = XFED_OK;
	if (count < 0 && errno != ENOENT) {
		snprintf(error, CERT_ERROR, "%.300s: %s", dir, rt_errno_words(errno, words));
		return XFED_ERR_INVALID;
	}
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		bool is_file = fnmatch("*.yaml", list[i]->d_name, FNM_PERIOD) == 0;
		if (rc == XFED_OK && is_file && snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) < (int)sizeof(path)) {
			rc = add_host(hosts, wanted, path, name, error);
		}
		free(list[i]);
	}
	free(list);
	return rc;
}

static int add_all(struct cert_hosts *hosts, enum cert_wanted wanted, const char *name, char error[CERT_ERROR])
{
	static const char *const kinds[] = { "gateway", "edge" };
	int rc = XFED_OK;
	for (size_t i = 0; rc == XFED_OK && i < XFED_ARRAY_LEN(kinds); i++) {
		char path[PATH_MAX];
		if ((wanted == CERT_OF_EDGES && i == 0) || (wanted == CERT_OF_GATEWAYS && i == 1)) {
			continue;
		}
		snprintf(path, sizeof(path), FOLDER_CONFIG "/%s.yaml", kinds[i]);
		rc = add_host(hosts, wanted, path, name, error);
		snprintf(path, sizeof(path), FOLDER_CONFIG "/%s", kinds[i]);
		rc = rc == XFED_OK ? add_dir(hosts, wanted, path, name, error) : rc;
	}
	return rc;
}

static int none(enum cert_wanted wanted, const char *config, const char *name, char error[CERT_ERROR])
{
	const char *what = wanted == CERT_OF_EDGES ? "edge.yaml" : wanted == CERT_OF_GATEWAYS ? "gateway.yaml" : "edge.yaml or gateway.yaml";
	if (config) {
		snprintf(error, CERT_ERROR, "%.300s is no %s", config, what);
	} else if (name) {
		snprintf(error, CERT_ERROR, "no %s in " FOLDER_CONFIG " has the name %.64s", what, name);
	} else {
		snprintf(error, CERT_ERROR, "there is no %s in " FOLDER_CONFIG ": run it on the host of that service, or name the file with --config",
			what);
	}
	return XFED_ERR_NOT_FOUND;
}

int cert_hosts_open(struct cert_hosts *h, enum cert_wanted wanted, const char *config, const char *name, char error[CERT_ERROR])
{
	*h = (struct cert_hosts){ .items = xfed_calloc(CERT_HOSTS_MAX, sizeof(*h->items)) };
	if (!h->items) {
		return XFED_ERR_NOMEM;
	}
	if (config && access(config, F_OK) != 0 && errno == ENOENT) {
		snprintf(error, CERT_ERROR, "%.300s: there is no such file", config);
		return XFED_ERR_NOT_FOUND;
	}
	int rc = config ? add_host(h, wanted, config, NULL, error) : add_all(h, wanted, name, error);
	return rc == XFED_OK && h->count == 0 ? none(wanted, config, name, error) : rc;
}

void cert_hosts_close(struct cert_hosts *h)
{
	for (size_t i = 0; i < h->count; i++) {
		host_close(&h->items[i]);
	}
	xfed_free(h->items);
	*h = (struct cert_hosts){ 0 };
}

bool cert_is_address(const char *name)
{
	struct in_addr any;
	return strchr(name, ':') || inet_pton(AF_INET, name, &any) == 1;
}

/* ---- the service ---- */

bool cert_host_is_running(const struct cert_host *h)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", h->base->control_socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_up = fd >= 0 && (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || (errno != ENOENT && errno != ECONNREFUSED));
	if (fd >= 0) {
		close(fd);
	}
	return is_up;
}

json_t *cert_host_ask(const struct cert_host *h, const char *noun, const char *verb, char error[CERT_ERROR])
{
	char words[256];
	json_t *answer = NULL;
	if (ctl_ask(h->base->control_socket, noun, verb, NULL, NULL, &answer, words) != XFED_OK) {
		snprintf(error, CERT_ERROR, "%s", words);
		return NULL;
	}
	json_t *result = json_incref(json_object_get(answer, "result"));
	if (!result) {
		snprintf(error, CERT_ERROR, "%s", ctl_str(json_object_get(answer, "error"), "text"));
	}
	json_decref(answer);
	return result;
}

enum cert_service cert_host_reload(const struct cert_host *h, char error[CERT_ERROR])
{
	if (!cert_host_is_running(h)) {
		return CERT_SERVICE_DOWN;
	}
	json_t *result = cert_host_ask(h, "reload", "", error);
	bool is_fine = json_is_true(json_object_get(result, "ok"));
	if (result && !is_fine) {
		const char *first = json_string_value(json_array_get(json_object_get(result, "errors"), 0));
		snprintf(error, CERT_ERROR, "%s", first ? first : "its files are not fine");
	}
	json_decref(result);
	return is_fine ? CERT_SERVICE_FINE : CERT_SERVICE_REFUSES;
}

/* What the bundle said with which it joined. */
static json_t *domains_of_file(const struct cert_host *h)
{
	char path[PATH_MAX + 32], error[CERT_ERROR];
	struct xfed_buf text;
	json_t *list = NULL;
	snprintf(path, sizeof(path), "%s/" CERT_DOMAINS_FILE, h->dir);
	if (cert_file_read(path, &text, error) == XFED_OK) {
		struct xfed_span rest = xfed_buf_span(&text);
		list = json_array();
		while (rest.len > 0) {
			struct xfed_span line = xfed_span_cut(&rest, '\n');
			if (line.len > 0) {
				json_array_append_new(list, json_stringn(line.data, line.len));
			}
		}
	}
	xfed_buf_deinit(&text);
	return list;
}

json_t *cert_host_domains(const struct cert_host *h)
{
	char error[CERT_ERROR];
	if (h->gateway) {
		json_t *list = json_array();
		for (size_t i = 0; i < h->gateway->domains.count; i++) {
			json_array_append_new(list, json_string(h->gateway->domains.items[i].domain));
		}
		return list;
	}
	json_t *result = cert_host_is_running(h) ? cert_host_ask(h, "watched", "certificates", error) : NULL;
	json_t *list = json_incref(json_object_get(result, "domains"));
	json_decref(result);
	if (json_array_size(list) > 0) {
		return list;
	}
	json_decref(list);
	return domains_of_file(h);
}
