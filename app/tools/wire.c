/* Framing, sealing, and fields of eight bytes and of texts. */
#include "app/tools/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"

#define SEALS    (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define MOST_FDS 4 /* that are taken, so that they can be closed */

struct header {
	uint32_t kind, length;
	uint64_t id;
};

_Static_assert(sizeof(struct header) == 16, "a header of 16 bytes");

int wire_pair(int ends[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(err, "tools' process", "cannot make a pair of sockets");
	return 0;
}

/* ---- sending ---- */

/* A memfd with these bytes, which nobody can change any more. */
static int sealed(struct str body)
{
	int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (file_write_all(fd, body) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void attach(struct msghdr *msg, void *space, size_t n, int fd)
{
	struct cmsghdr *c;

	msg->msg_control = space;
	msg->msg_controllen = n;
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

static int send_packet(int sock, struct header *h, struct str body, int fd, struct err *err)
{
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec v[2] = {{h, sizeof(*h)}, {(char *)(uintptr_t)body.p, body.n}};
	struct msghdr msg = {.msg_iov = v, .msg_iovlen = fd >= 0 ? 1 : 2};

	if (fd >= 0)
		attach(&msg, space, sizeof(space), fd);
	for (;;) {
		if (sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return 1;
		if (errno == EPIPE || errno == ECONNRESET)
			return err_set(err, ERR_FAILED, "the tools' process has ended");
		return err_errno(err, "tools' process", "cannot send");
	}
}

int wire_send(int sock, enum wire_kind kind, uint64_t id, struct str body, struct err *err)
{
	struct header h = {.kind = kind, .length = (uint32_t)body.n, .id = id};
	int fd = -1, rc;

	if (body.n > WIRE_MOST_BYTES)
		return err_set(err, ERR_IO,
			       "tools' process: a message of %zu bytes, at most %u", body.n,
			       WIRE_MOST_BYTES);
	if (body.n > WIRE_PACKET_BYTES) {
		fd = sealed(body);
		if (fd < 0)
			return err_errno(err, "tools' process", "cannot make a memfd");
	}
	rc = send_packet(sock, &h, body, fd, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- receiving ---- */

static int malformed(struct err *err, const char *what)
{
	return err_set(err, ERR_FAILED, "the tools' process sent what is no message: %s", what);
}

static int parse_header(struct str packet, struct header *h, struct err *err)
{
	if (packet.n < sizeof(*h))
		return malformed(err, "too short");
	memcpy(h, packet.p, sizeof(*h));
	if (h->kind < WIRE_CONFIG || h->kind > WIRE_DONE)
		return malformed(err, "an unknown kind");
	if (h->length > WIRE_MOST_BYTES)
		return malformed(err, "too long");
	return 0;
}

static int fill(struct wire_message *m, const struct header *h, struct str body,
		struct err *err)
{
	m->kind = (enum wire_kind)h->kind;
	m->id = h->id;
	buf_adds(&m->body, body);
	return buf_failed(&m->body) ? err_nomem(err, "message", body.n) : 0;
}

int wire_parse(struct str packet, struct wire_message *m, struct err *err)
{
	struct header h;
	int rc = parse_header(packet, &h, err);

	if (rc)
		return rc;
	if (packet.n - sizeof(h) != h.length)
		return malformed(err, "a wrong length");
	return fill(m, &h, (struct str){packet.p + sizeof(h), h.length}, err);
}

/* The body lies in a memfd that is as sealed and as long as it should be. */
static int parse_sealed(struct str packet, int fd, struct wire_message *m, struct err *err)
{
	struct stat st;
	struct header h;
	void *p;
	int rc = parse_header(packet, &h, err);

	if (rc)
		return rc;
	if (packet.n != sizeof(h) || h.length == 0)
		return malformed(err, "a wrong length");
	if ((fcntl(fd, F_GET_SEALS) & SEALS) != SEALS || fcntl(fd, F_GET_SEALS) < 0)
		return malformed(err, "not sealed");
	if (fstat(fd, &st) != 0 || st.st_size != (off_t)h.length)
		return malformed(err, "a wrong length");
	p = mmap(NULL, h.length, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_nomem(err, "message", h.length);
	rc = fill(m, &h, (struct str){p, h.length}, err);
	munmap(p, h.length);
	return rc;
}

/* The descriptors that came along. */
static size_t take_fds(struct msghdr *msg, int fds[MOST_FDS])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i + sizeof(int) <= bytes && n < MOST_FDS; i += sizeof(int))
			memcpy(&fds[n++], CMSG_DATA(c) + i, sizeof(int));
	}
	return n;
}

int wire_receive(int sock, struct wire_message *m, struct err *err)
{
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(MOST_FDS * sizeof(int))];
	static _Thread_local char packet[sizeof(struct header) + WIRE_PACKET_BYTES];
	struct iovec v = {packet, sizeof(packet)};
	struct msghdr msg = {.msg_iov = &v,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	int fds[MOST_FDS], rc;
	size_t n_fds;
	ssize_t n;

	*m = (struct wire_message){0};
	do {
		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return err_set(err, ERR_FAILED, "the tools' process has ended");
	n_fds = take_fds(&msg, fds);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || n_fds > 1)
		rc = malformed(err, "too much at once");
	else if (n_fds)
		rc = parse_sealed((struct str){packet, (size_t)n}, fds[0], m, err);
	else
		rc = wire_parse((struct str){packet, (size_t)n}, m, err);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return rc ? rc : 1;
}

/* ---- fields ---- */

void wire_add_number(struct buf *body, uint64_t v)
{
	buf_add(body, &v, sizeof(v));
}

void wire_add_text(struct buf *body, struct str s)
{
	wire_add_number(body, s.n);
	buf_adds(body, s);
}

struct wire_fields wire_fields(const struct wire_message *m)
{
	return (struct wire_fields){.rest = buf_str(&m->body)};
}

static struct str take(struct wire_fields *f, uint64_t n)
{
	struct str s = {f->rest.p, (size_t)n};

	if (f->failed || n > f->rest.n) {
		f->failed = true;
		return (struct str){"", 0};
	}
	f->rest.p += n;
	f->rest.n -= (size_t)n;
	return s;
}

uint64_t wire_number(struct wire_fields *f)
{
	uint64_t v = 0;
	struct str s = take(f, sizeof(v));

	if (s.n)
		memcpy(&v, s.p, sizeof(v));
	return v;
}

struct str wire_text(struct wire_fields *f)
{
	return take(f, wire_number(f));
}

bool wire_complete(const struct wire_fields *f)
{
	return !f->failed && f->rest.n == 0;
}
