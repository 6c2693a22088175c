/* panel user: who may use the control panel, as lines of panel.users_file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "change.h"
#include "xfed/rt/password.h"

/* ---- passwords ---- */

static ssize_t read_line(int fd, char *out, size_t size)
{
	size_t len = 0;
	char c;
	ssize_t n;
	while ((n = read(fd, &c, 1)) == 1 && c != '\n') {
		if (len + 1 == size) {
			errno = E2BIG;
			return -1;
		}
		out[len++] = c;
	}
	len -= len > 0 && out[len - 1] == '\r';
	out[len] = '\0';
	return n < 0 ? -1 : (ssize_t)len;
}

/* Without showing it. */
static ssize_t ask_terminal(int fd, const char *prompt, char out[RT_PASSWORD_BYTES + 2])
{
	struct termios was, is;
	if (tcgetattr(fd, &was) != 0) {
		return -1;
	}
	is = was;
	is.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(fd, TCSAFLUSH, &is);
	dprintf(fd, "%s", prompt);
	ssize_t n = read_line(fd, out, RT_PASSWORD_BYTES + 2);
	(void)tcsetattr(fd, TCSAFLUSH, &was);
	dprintf(fd, "\n");
	return n;
}

/* From the terminal, twice; where standard input is none, its first line. */
static enum ctl_exit ask_password(const struct change *c, const char *name, char out[RT_PASSWORD_BYTES + 2])
{
	char prompt[128], again[RT_PASSWORD_BYTES + 2] = "";
	int fd = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
	snprintf(prompt, sizeof(prompt), "Password of %s: ", name);
	bool is_read = fd >= 0 ? ask_terminal(fd, prompt, out) >= 0 && ask_terminal(fd, "Again: ", again) >= 0
			       : read_line(STDIN_FILENO, out, RT_PASSWORD_BYTES + 2) >= 0;
	bool is_same = fd < 0 || strcmp(out, again) == 0;
	xfed_wipe(again, sizeof(again));
	if (fd >= 0) {
		close(fd);
	}
	if (!is_read || !rt_password_is_usable(xfed_span_str(out))) {
		return change_refuse(c, "found no password, accepted: one of 1 to %d bytes, at the terminal or as the first line of standard input",
			RT_PASSWORD_BYTES);
	}
	return is_same ? CTL_FINE : change_refuse(c, "the two passwords differ: nothing is changed");
}

/* ---- lines ---- */

static bool is_of(struct xfed_span line, bool is_certificate, const char *name, struct panel_user_line *out)
{
	const char *accepted;
	return panel_user_line(line, out, &accepted) == XFED_OK && out->is_certificate == is_certificate && xfed_span_is(out->name, name);
}

/* c->is becomes c->was with that user's line replaced by `line`, or behind all others; `line` "": without it. False: nobody has that name. */
static bool put(struct change *c, bool is_certificate, const char *name, const char *line)
{
	struct xfed_span rest = xfed_buf_span(&c->was);
	bool is_there = false;
	while (rest.len > 0) {
		struct panel_user_line l;
		struct xfed_span old = xfed_span_cut(&rest, '\n');
		bool is_it = is_of(old, is_certificate, name, &l);
		is_there = is_there || is_it;
		(void)(is_it ? xfed_buf_append_str(&c->is, line) : xfed_buf_append(&c->is, old));
		if (!is_it || line[0]) {
			(void)xfed_buf_append_str(&c->is, "\n");
		}
	}
	if (!is_there && line[0]) {
		(void)xfed_buf_printf(&c->is, "%s\n", line);
	}
	return is_there;
}

static bool find(const struct change *c, bool is_certificate, const char *name, struct panel_user_line *out)
{
	struct xfed_span rest = xfed_buf_span(&c->was);
	while (rest.len > 0) {
		if (is_of(xfed_span_cut(&rest, '\n'), is_certificate, name, out)) {
			return true;
		}
	}
	return false;
}

/* ---- what is asked ---- */

static enum ctl_exit write_line(struct change *c, const char *name, const char *role, bool is_certificate)
{
	char password[RT_PASSWORD_BYTES + 2] = "", hash[RT_PASSWORD_HASH] = "", line[RT_PASSWORD_HASH + 128];
	enum ctl_exit rc = is_certificate ? CTL_FINE : ask_password(c, name, password);
	if (rc == CTL_FINE && !is_certificate && rt_password_hash(xfed_span_str(password), hash) != XFED_OK) {
		rc = change_refuse(c, "the password cannot be hashed (yescrypt of libcrypt)");
	}
	xfed_wipe(password, sizeof(password));
	if (rc != CTL_FINE) {
		return rc;
	}
	snprintf(line, sizeof(line), is_certificate ? "cert:%s:%s" : "%s:%s:%s", name, role, hash);
	put(c, is_certificate, name, line);
	return change_make(c);
}

static enum ctl_exit add(struct change *c, const char *name, const char *role, bool is_certificate)
{
	struct panel_user_line l;
	if (!panel_user_name_is_fine(xfed_span_str(name))) {
		return change_refuse(c, "found \"%.100s\", accepted: a name of 1 to 64 bytes without \":\"", name);
	}
	if (!role[0]) {
		return change_refuse(c, "the role is missing, accepted: admin or reader");
	}
	if (find(c, is_certificate, name, &l)) {
		return change_refuse(c, "there is %s already: panel user passwd sets another password, panel user remove takes the line away", name);
	}
	return write_line(c, name, role, is_certificate);
}

static enum ctl_exit set_password(struct change *c, const char *name)
{
	struct panel_user_line l;
	if (!find(c, false, name, &l)) {
		return change_refuse(c, "nobody called %s signs in with a password: panel user list", name);
	}
	return write_line(c, name, l.is_admin ? "admin" : "reader", false);
}

static enum ctl_exit take_away(struct change *c, const char *name, bool is_certificate)
{
	if (!put(c, is_certificate, name, "")) {
		return change_refuse(c, "there is no %s%s: panel user list", name, is_certificate ? " by certificate" : "");
	}
	return change_make(c);
}

static json_t *users_of(const struct change *c)
{
	json_t *users = json_array();
	struct xfed_span rest = xfed_buf_span(&c->was);
	while (rest.len > 0) {
		struct panel_user_line l;
		const char *accepted;
		if (panel_user_line(xfed_span_cut(&rest, '\n'), &l, &accepted) == XFED_OK) {
			json_array_append_new(users, json_pack("{s:s%, s:s, s:s}", "name", l.name.data, l.name.len, "role",
							     l.is_admin ? "admin" : "reader", "with", l.is_certificate ? "certificate" : "password"));
		}
	}
	return users;
}

static enum ctl_exit list(const struct change *c)
{
	static const char *const names[] = { "NAME", "ROLE", "SIGNS IN WITH" };
	json_t *j = json_pack("{s:s, s:o}", "file", c->file, "users", users_of(c)), *user;
	struct ctl_table t;
	size_t i;
	if (c->options->is_json) {
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(j);
		return CTL_FINE;
	}
	ctl_table_init(&t, XFED_ARRAY_LEN(names));
	ctl_table_header(&t, names);
	json_array_foreach(json_object_get(j, "users"), i, user) {
		ctl_table_add(&t, ctl_str(user, "name"));
		ctl_table_add(&t, ctl_str(user, "role"));
		ctl_table_add(&t, ctl_str(user, "with"));
	}
	ctl_table_print(&t, "", stdout);
	json_decref(j);
	return CTL_FINE;
}

/* For the service's group to read, and nobody else. */
static void choose_owner(struct change *c)
{
	struct stat dir;
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s", c->file);
	char *slash = strrchr(path, '/');
	if (slash && slash != path) {
		*slash = '\0';
	}
	if (stat(path, &dir) == 0) {
		c->save.owner = (struct save_owner){ .is_given = true, .uid = geteuid(), .gid = dir.st_gid, .mode = 0640 };
	}
}

static enum ctl_exit open_users(struct change *c)
{
	bool exists;
	if (!c->config->panel.users_file) {
		return change_refuse(c, "%s has no panel.users_file: set it, and panel.listen, first", c->config_path);
	}
	snprintf(c->file, sizeof(c->file), "%s", c->config->panel.users_file);
	c->is_secret = true;
	enum ctl_exit rc = change_read(c, PANEL_USERS_BYTES, &exists);
	choose_owner(c);
	return rc;
}

enum ctl_exit ctl_do_panel_user(const json_t *args, const struct ctl_options *options)
{
	static struct change c;
	const char *what = ctl_str(args, "do"), *name = ctl_str(args, "name"), *role = ctl_str(args, "role");
	bool is_certificate = json_is_true(json_object_get(args, "cert"));
	enum ctl_exit rc = change_open(&c, "panel user", args, options);
	rc = rc == CTL_FINE ? open_users(&c) : rc;
	if (rc == CTL_FINE && !name[0] && strcmp(what, "list") != 0) {
		change_refuse(&c, "panel user %s needs a name", what);
		rc = CTL_USAGE;
	} else if (rc == CTL_FINE) {
		rc = strcmp(what, "add") == 0	   ? add(&c, name, role, is_certificate)
		     : strcmp(what, "passwd") == 0 ? set_password(&c, name)
		     : strcmp(what, "remove") == 0 ? take_away(&c, name, is_certificate)
						   : list(&c);
	}
	change_close(&c);
	return rc;
}
