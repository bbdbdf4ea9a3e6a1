"""Quick attackers for training: a photo laid over, blended into or animated by a clip.

They are other renderers than those of ``idverify.simulation``, on purpose: takes of the simulator are there for testing. All
work on arrays in memory. What is drawn from `rng`: the warp (triangle by triangle or smooth), tremor or smoothing of the
mesh, Poisson, feathered or pyramid blending, holes for the live eyes and mouth, colour matching, light, painted lids and
mouth, glances, shake and grain; then, for genuine windows and attacks alike, size, blur, tone, grain and encoder.

Public items: :func:`window`.
"""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import Delaunay

from idverify.pad._strips import OVAL, RIMS

OVAL = list(OVAL)
FRAMES = 40


def extend(points):
    """Points of the mesh and of two rims around the face [shape=(..., 540, 2)]."""
    xy = points[..., :2]
    outline = xy[..., OVAL, :]
    middle = outline.mean(-2, keepdims=True)
    return np.concatenate([xy, *(middle + rim * (outline - middle) for rim in RIMS)], axis=-2)


_triangles = None


def triangles(points):
    """Of the first face seen; its neighbourhoods hold for all."""
    global _triangles
    if _triangles is None:
        _triangles = Delaunay(points).simplices
    return _triangles


def trimap(dst, shape):
    """triangle index picture for extended dst points"""
    h, w = shape
    T = np.full((h, w), -1, np.int32)
    pts = np.round(dst * 16).astype(np.int32)
    for i, s in enumerate(triangles(dst)):
        cv2.fillConvexPoly(T, pts[s], i, cv2.LINE_8, 4)
    return T


def warp_pw(src_img, src, dst, shape):
    """piecewise-affine; returns image and mask"""
    T = trimap(dst, shape)
    ok = T >= 0
    A = dst[triangles(dst)]
    B = src[triangles(dst)]
    M = np.concatenate([A, np.ones((len(A), 3, 1))], -1)
    M = M + np.eye(3) * 1e-6
    det = np.linalg.det(M)
    bad = abs(det) < 1e-3
    M[bad] = np.eye(3)
    X = np.linalg.solve(M, B)  # [n,3,2]
    h, w = shape
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    Xt = X[np.maximum(T, 0)].astype(np.float32)
    mp = xs[..., None] * Xt[..., 0, :] + ys[..., None] * Xt[..., 1, :] + Xt[..., 2, :]
    out = cv2.remap(src_img, mp[..., 0], mp[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out, ok


SUB = np.array(sorted(set(list(range(0, 468, 7)) + [33, 133, 263, 362, 61, 291, 13, 14, 1, 10, 152, 234, 454] + OVAL[::2])))


def warp_smooth(src_img, src, dst, shape, cells=26, box=None):
    """smooth affine+IDW residual; src,dst [k,2] any control points; over whole picture"""
    h, w = shape
    one = np.ones((len(dst), 1))
    A, *_ = np.linalg.lstsq(np.hstack([dst, one]), src, rcond=None)
    r = src - np.hstack([dst, one]) @ A
    gx = np.linspace(0, w - 1, cells)
    gy = np.linspace(0, h - 1, cells)
    G = np.stack(np.meshgrid(gx, gy), -1)
    sc = (np.ptp(dst[:, 0]) / 9) ** 2
    q = (G[:, :, None, 0] - dst[:, 0]) ** 2 + (G[:, :, None, 1] - dst[:, 1]) ** 2 + 0.03 * sc
    W = 1 / (q * np.sqrt(q))
    F = (W @ r) / (W.sum(-1) + sc**-1.5 * 0.3)[..., None]
    F = F + G @ A[:2] + A[2]
    mp = cv2.resize(F.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    # resize has half px alignment; correct by sampling explicitly
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    u = xs * (cells - 1) / (w - 1)
    v = ys * (cells - 1) / (h - 1)
    mp = cv2.remap(F.astype(np.float32), u, v, cv2.INTER_LINEAR)
    return cv2.remap(src_img, mp[..., 0], mp[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


EYES = [
    [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7],
    [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249],
]
MOUTH = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
INMOUTH = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]


def poly(shape, pts, grow=1.0, blur=0.0):
    c = pts.mean(0)
    p = c + (pts - c) * grow
    m = np.zeros(shape, np.float32)
    cv2.fillPoly(m, [np.round(p * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(m, (0, 0), blur) if blur > 0.3 else m


def smoothfield(rng, n, amp):
    """[n,5,5] slow random gain field"""
    k = max(3, n // 12)
    g = rng.normal(0, 1, (k, 4, 4))
    t = np.linspace(0, k - 1, n)
    i = np.minimum(t.astype(int), k - 2)
    f = (t - i)[:, None, None]
    f = f * f * (3 - 2 * f)
    return 1 + amp * ((1 - f) * g[i] + f * g[i + 1])


def lit(img, field):
    h, w = img.shape[:2]
    F = cv2.resize(field.astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    return np.clip(img * F[..., None], 0, 255)


def match(src, ref, mask):
    """mean/std transfer per channel inside mask, statistics on every third pixel"""
    m = mask[::3, ::3] > 0.5
    if m.sum() < 30:
        return src
    a = src[::3, ::3][m].astype(np.float32)
    b = ref[::3, ::3][m].astype(np.float32)
    k = np.clip(b.std(0) / (a.std(0) + 1e-3), 0.5, 1.8)
    o = b.mean(0) - a.mean(0) * k
    return np.clip(src.astype(np.float32) * k.astype(np.float32) + o.astype(np.float32), 0, 255)


def smooth_t(P, s):
    if s <= 0:
        return P
    return gaussian_filter1d(P, s, axis=0)


def fit_photo(photo, pm, fw):
    k = fw / np.ptp(pm[:, 0])
    k = np.clip(k, 0.3, 4)
    return cv2.resize(photo, None, fx=k, fy=k, interpolation=cv2.INTER_CUBIC if k > 1 else cv2.INTER_AREA), pm * np.float32(k)


def swap(rng, ims, P, photo, pm, kind, o=None):
    n = len(ims)
    shape = ims[0].shape[:2]
    o = o or {}
    alpha = 1.0 if kind == "swap" else rng.uniform(0.3, 0.8)
    mode = (
        rng.choice(["alpha", "poisson", "lap"], p=[0.35, 0.45, 0.2])
        if kind == "swap"
        else rng.choice(["alpha", "poisson"], p=[0.6, 0.4])
    )
    warp = rng.choice(["pw", "smooth"], p=[0.35, 0.65])
    sm = rng.choice([0, 0.8, 2.0])
    holes = rng.random() < 0.75
    eyeg = rng.uniform(1.2, 1.9)
    mg = rng.uniform(1.0, 1.3)
    grow = rng.uniform(0.86, 1.05)
    fe = rng.uniform(0.02, 0.10)
    Ps = smooth_t(P[..., :2], sm)
    fw = np.ptp(P[0, :, 0])
    src = extend(pm)
    out = []
    light = smoothfield(rng, n, rng.choice([0, 0.03, 0.08]))
    ema = None
    relight = rng.random() < 0.4  # low-frequency luma ratio of driver
    for i in range(n):
        d = extend(Ps[i])
        im = ims[i]
        if warp == "pw":
            w, ok = warp_pw(photo, src, d, shape)
        else:
            w = warp_smooth(photo, src[SUB], d[SUB], shape)
        m = poly(shape, d[OVAL], grow)
        w = match(w, im, m)
        if relight:
            a = cv2.GaussianBlur(im.astype(np.float32), (0, 0), fw * 0.12)
            b = cv2.GaussianBlur(w.astype(np.float32), (0, 0), fw * 0.12)
            w = np.clip(w * np.clip((a + 8) / (b + 8), 0.4, 2.5), 0, 255)
        w = lit(w, light[i])
        if holes:
            for e in EYES:
                m = m * (1 - poly(shape, Ps[i][e], eyeg, fw * 0.012))
            m = m * (1 - poly(shape, Ps[i][MOUTH], mg, fw * 0.015))
        if mode == "poisson":
            mm = cv2.erode((m > 0.5).astype(np.uint8), np.ones((3, 3))) * 255
            mm[:2] = mm[-2:] = 0
            mm[:, :2] = mm[:, -2:] = 0
            ys, xs = np.nonzero(mm)
            if len(ys) < 100:
                out.append(im)
                continue
            src_ = np.clip(w, 0, 255).astype(np.uint8)
            if alpha < 1:
                src_ = cv2.addWeighted(src_, alpha, im, 1 - alpha, 0)
            try:
                r = cv2.seamlessClone(
                    src_, im, mm, (int((xs.min() + xs.max()) // 2), int((ys.min() + ys.max()) // 2)), cv2.NORMAL_CLONE
                )
            except cv2.error:
                r = im
            out.append(r)
            continue
        if mode == "lap":
            L = 3
            A = [w.astype(np.float32)]
            B = [im.astype(np.float32)]
            M = [cv2.GaussianBlur(m, (0, 0), 2)]
            for _ in range(L):
                A.append(cv2.pyrDown(A[-1]))
                B.append(cv2.pyrDown(B[-1]))
                M.append(cv2.pyrDown(M[-1]))
            r = None
            for l in range(L, -1, -1):
                if l == L:
                    r = A[l] * M[l][..., None] + B[l] * (1 - M[l][..., None])
                else:
                    sz = A[l].shape[1::-1]
                    la = A[l] - cv2.pyrUp(A[l + 1], dstsize=sz)
                    lb = B[l] - cv2.pyrUp(B[l + 1], dstsize=sz)
                    r = cv2.pyrUp(r, dstsize=sz) + la * M[l][..., None] + lb * (1 - M[l][..., None])
            out.append(np.clip(r, 0, 255).astype(np.uint8))
            continue
        m = cv2.GaussianBlur(m, (0, 0), max(1, fe * fw)) * alpha
        out.append(np.clip(w * m[..., None] + im * (1 - m[..., None]), 0, 255).astype(np.uint8))
    return np.stack(out), Ps


def pose_script(rng, pm3, n, dt, shape):
    """scripted meshes from the photo's own 3-D mesh"""
    c = pm3.mean(0)
    X = pm3 - c
    t = np.arange(n) * dt
    out = np.empty((n, len(X), 3), np.float32)

    def osc(a):
        f = rng.uniform(0.1, 0.9, 2)
        p = rng.uniform(0, 6.3, 2)
        return a * (np.sin(6.283 * f[0] * t + p[0]) + 0.5 * np.sin(6.283 * f[1] * t + p[1])) / 1.5

    k = rng.choice([0.3, 1, 1.8])
    yaw, pit, rol = np.radians(osc(14 * k)), np.radians(osc(7 * k)), np.radians(osc(4 * k))
    tx, ty = osc(0.05 * k) * np.ptp(X[:, 0]), osc(0.03 * k) * np.ptp(X[:, 0])
    sc = 1 + osc(0.03 * k)
    sp = rng.choice([0, 0.4, 1])
    mo = (
        sp
        * np.clip(0.35 + 0.4 * np.sin(6.283 * rng.uniform(2, 4) * t) + 0.3 * np.sin(6.283 * rng.uniform(3, 5) * t), 0, 1)
        * np.clip(0.5 + 2 * np.sin(6.283 * 0.4 * t + rng.uniform(0, 6)), 0, 1)
    )
    bl = np.zeros(n)
    for b in np.cumsum(rng.uniform(0.8, 3.5, 8)):
        bl = np.maximum(bl, np.clip(1 - abs(t - b) / 0.15, 0, 1) * 1.3)
    bl = np.clip(bl, 0, 1)
    fh = np.ptp(X[:, 1])
    jaw = np.clip((X[:, 1] - X[13, 1]) / fh / 0.25, 0, 1) * np.clip(1 - (X[:, 0] / np.ptp(X[:, 0]) / 0.5) ** 2, 0, 1)
    lower = np.zeros(len(X))
    lower[[14, 87, 178, 88, 95, 317, 402, 318, 324, 17, 84, 181, 91, 146, 314, 405, 321, 375, 15, 16, 85, 86, 315, 316]] = 1
    jaw = np.maximum(jaw * (X[:, 1] > X[14, 1] - 1), lower)
    upl = [[160, 144], [159, 145], [158, 153], [161, 163], [157, 154], [387, 373], [386, 374], [385, 380], [388, 390], [384, 381]]
    for i in range(n):
        Y = X.copy()
        Y[:, 1] += mo[i] * 0.10 * fh * jaw
        for a, b in upl:
            Y[a, :2] += bl[i] * 0.95 * (Y[b, :2] - Y[a, :2])
        cy, sy, cp, sp_, cr, sr = np.cos(yaw[i]), np.sin(yaw[i]), np.cos(pit[i]), np.sin(pit[i]), np.cos(rol[i]), np.sin(rol[i])
        R = (
            np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
            @ np.array([[1, 0, 0], [0, cp, -sp_], [0, sp_, cp]])
            @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        )
        out[i] = (Y @ R.T) * sc[i] + c + [tx[i], ty[i], 0]
    return out, mo, bl


def glances(rng, n, fw):
    """Where the irises of an animated photo are dragged to: they jump now and then [n,2]"""
    at = np.repeat(rng.normal(0, (0.022, 0.01), (n, 2)) * fw, rng.integers(3, 25, n), axis=0)[:n]
    return at * rng.uniform(0.3, 1.2)


def photo_driven(rng, photo, pm, drv, n, dt):
    """photo animated; drv = driver meshes [n,468,3] or None for script"""
    h, w = photo.shape[:2]
    shape = (h, w)
    if drv is None:
        dst, mo, bl = pose_script(rng, pm.astype(np.float64), n, dt, shape)
    else:
        k = np.ptp(pm[:, 0]) / np.ptp(drv[0, :, 0])
        D = smooth_t(drv[..., :2].astype(np.float64), rng.choice([0, 0.7, 1.5])) * k
        if rng.random() < 0.5:  # relative
            dst = pm[None, :, :2] + (D - D[0]) * rng.uniform(0.7, 1.1)
        else:
            dst = D - D.mean((0, 1)) + pm[:, :2].mean(0)
        mo = np.linalg.norm(dst[:, 13] - dst[:, 14], axis=-1) / np.ptp(pm[:, 0])
        mo = (mo - mo.min()) * 8
        bl = None
    src = extend(pm)
    warp = rng.choice(["pw", "smooth", "smooth"])
    paint = rng.random() < 0.7
    out = []
    fw = np.ptp(pm[:, 0])
    light = smoothfield(rng, n, rng.choice([0, 0.02, 0.05, 0.1]))
    posel = rng.choice([0, 0.3, 0.8])
    gn = rng.choice([0, 1.0, 2.0, 3.5])
    gc = rng.choice([0, 0.6, 1.0])
    ar = rng.uniform(0, 0.5)
    ov = pm[OVAL, :2]
    shake = np.cumsum(rng.normal(0, 0.6, (n, 2)), 0) * rng.choice([0, 0, 0.5, 1])
    shake -= shake.mean(0)
    looks = glances(rng, n, fw) if rng.random() < 0.5 else None
    prev = None
    big = np.array([[x, y] for x in np.linspace(-0.1 * w, 1.1 * w, 5) for y in np.linspace(-0.1 * h, 1.1 * h, 5)])
    cen = pm[:, :2].mean(0)
    big = big[np.linalg.norm(big - cen, axis=1) > 1.3 * fw]
    for i in range(n):
        d = extend(dst[i][:, :2])
        if warp == "smooth":
            s_ = np.r_[src[SUB], big]
            d_ = np.r_[d[SUB], big]
            im = warp_smooth(photo, s_, d_, shape, cells=34)
        else:
            d2 = d.copy()
            d2[468 + 36 :] = src[468 + 36 :] + (d[468 + 36 :] - src[468 + 36 :]) * 0.0  # outer ring pinned
            im, ok = warp_pw(photo, src, d2, shape)
            im = np.where(ok[..., None], im, photo)
        im = im.astype(np.float32)
        if looks is not None:
            moved = cv2.warpAffine(im, np.float32([[1, 0, looks[i, 0]], [0, 1, looks[i, 1]]]), (w, h), borderMode=cv2.BORDER_REPLICATE)
            for e in EYES:
                m = poly(shape, d[e], 0.85, fw * 0.01)[..., None]
                im = im * (1 - m) + moved * m
        if paint and mo[i] > 0.08:
            q = d[INMOUTH]
            m = poly(shape, q, 1.0, fw * 0.008)
            fill = np.array([50, 20, 22.0])
            im = im * (1 - m[..., None]) + fill * m[..., None]
            if rng.random() < 0.0:
                pass
            up = d[[78, 80, 82, 13, 312, 310, 308]]
            tt = np.r_[up, (up + [0, 0.03 * fw])[::-1]]
            mt = poly(shape, tt, 0.85, fw * 0.008) * m
            im = im * (1 - 0.7 * mt[..., None]) + np.array([190, 180, 170.0]) * 0.7 * mt[..., None]
        if paint and bl is not None and bl[i] > 0.5:
            for e in EYES:
                m = poly(shape, d[e], 1.15, fw * 0.006)
                col = np.median(
                    photo[
                        np.clip(np.round(src[[50, 280], 1]).astype(int), 0, h - 1),
                        np.clip(np.round(src[[50, 280], 0]).astype(int), 0, w - 1),
                    ],
                    0,
                )
                im = im * (1 - m[..., None]) + col * m[..., None] * 0.9
        F = light[i]
        if posel:
            yawp = (d[1, 0] - d[[234, 454], 0].mean()) / fw
            F = F * (1 + posel * yawp * np.linspace(-1, 1, 4)[None, :])
        im = lit(im, F)
        im = cv2.warpAffine(im, np.float32([[1, 0, shake[i, 0]], [0, 1, shake[i, 1]]]), (w, h), borderMode=cv2.BORDER_REFLECT)
        if gn:
            g = rng.normal(0, 1, im.shape[:2]).astype(np.float32)
            if gc:
                g = cv2.GaussianBlur(g, (0, 0), gc)
                g /= g.std()
            prev = g if prev is None else ar * prev + np.sqrt(1 - ar * ar) * g
            im = im + gn * prev[..., None]
        out.append(np.clip(im, 0, 255).astype(np.uint8))
    return np.stack(out), dst[:, :, :2] + shake[:, None]


# ---- post
def codec(ims, rng):
    k = rng.choice(["none", "x264", "mpeg4", "jpeg", "vp8"], p=[0.2, 0.45, 0.12, 0.13, 0.10])
    h, w = ims[0].shape[:2]
    h2, w2 = h // 2 * 2, w // 2 * 2
    ims = [np.ascontiguousarray(f[:h2, :w2]) for f in ims]
    if k == "none":
        return ims
    if k == "jpeg":
        q = int(rng.integers(55, 96))
        return [cv2.imdecode(cv2.imencode(".jpg", f, [cv2.IMWRITE_JPEG_QUALITY, q])[1], 1) for f in ims]
    name = {"x264": "libx264", "mpeg4": "mpeg4", "vp8": "libvpx"}[k]
    try:
        e = av.CodecContext.create(name, "w")
        e.width, e.height, e.pix_fmt = w2, h2, "yuv420p"
        e.framerate = Fraction(15)
        e.time_base = Fraction(1, 15)
        e.thread_count = 1
        if k == "x264":
            e.options = {
                "crf": str(int(rng.integers(16, 33))),
                "preset": str(rng.choice(["ultrafast", "veryfast", "medium"])),
                "tune": "zerolatency",
            }
        else:
            e.bit_rate = int(rng.uniform(0.06, 0.4) * w2 * h2 * 15)
        if k == "vp8":
            e.options = {"deadline": "realtime", "cpu-used": "8"}
        dec = av.CodecContext.create({"x264": "h264", "mpeg4": "mpeg4", "vp8": "vp8"}[k], "r")
        dec.thread_count = 1
        pk = []
        if e.extradata:
            dec.extradata = e.extradata
        res = []

        def go(ps):
            for p in ps:
                for fr in dec.decode(p):
                    res.append(fr.to_ndarray(format="rgb24"))

        for i, f in enumerate(ims):
            v = av.VideoFrame.from_ndarray(f, format="rgb24")
            v.pts = i
            go(e.encode(v))
        go(e.encode(None))
        go([None])
        if len(res) == len(ims):
            return res
    except Exception as x:
        print("codec", k, x)
    return ims


def post(ims, P, rng, strong=True):
    """resize, gamma, noise, blur, codec"""
    fw = np.ptp(P[0, :, 0])
    ims = list(ims)
    if rng.random() < 0.6:
        k = np.clip(rng.uniform(60, 185) / fw, 0.35, 1.15)
        ims = [cv2.resize(f, None, fx=k, fy=k, interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR) for f in ims]
        P = P * np.float32(k)
    if rng.random() < 0.3:
        s = rng.uniform(0.4, 1.3)
        ims = [cv2.GaussianBlur(f, (0, 0), s) for f in ims]
    if rng.random() < 0.4:
        g = rng.uniform(0.75, 1.35)
        lut = (255 * (np.arange(256) / 255) ** g).astype(np.uint8)
        ims = [cv2.LUT(f, lut) for f in ims]
    if rng.random() < 0.4:
        s = rng.uniform(0.7, 4)
        c = rng.choice([0, 0.7])
        o = []
        for f in ims:
            g = rng.normal(0, 1, f.shape[:2] + (1,)).astype(np.float32)
            if c:
                g = cv2.GaussianBlur(g, (0, 0), c)[..., None]
                g /= g.std()
            o.append(np.clip(f + s * g, 0, 255).astype(np.uint8))
        ims = o
    ims = codec(ims, rng)
    return ims, P


def photo_with_mesh(rng, photos, others, locate, face_px):
    """A photo to attack with, at the size of the face that it is to cover, cut to its surroundings; or None."""
    for _ in range(20):
        if rng.random() < 0.3:
            other = others[rng.integers(len(others))]
            image = other["pictures"][rng.integers(len(other["times"]))]
        else:
            path = photos[rng.integers(len(photos))]
            image = cv2.imread(str(path))
            if image is None:
                continue
            image = cv2.copyMakeBorder(image, 60, 60, 60, 60, cv2.BORDER_REPLICATE)[..., ::-1]
            shrink = 1000 / max(image.shape)
            image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else image
        image = np.ascontiguousarray(image)
        mesh = locate(image)
        if mesh is None:
            continue
        image, mesh = fit_photo(image, mesh, face_px)
        low = np.maximum(mesh[:, :2].min(0) - 0.7 * face_px, 0).astype(int)
        high = (mesh[:, :2].max(0) + 0.65 * face_px).astype(int)
        return np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]]), mesh - np.float32([*low, 0])
    return None


def window(rng, kind, clip, others, photos, locate):
    """Pictures, where the mesh is to be looked for, and seconds between pictures; None where no photo could be used."""
    count = len(clip["times"])
    n = min(FRAMES, count)
    at = rng.integers(0, count - n + 1)
    pictures, points = clip["pictures"][at : at + n], clip["points"][at : at + n]
    step_s = float(np.median(np.diff(clip["times"][at : at + n])))
    shrink = min(1.0, rng.uniform(85, 140) / np.ptp(points[0, :, 0]))
    if shrink < 1:
        pictures = np.stack([cv2.resize(p, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) for p in pictures])
        points = points * np.float32(shrink)
    if kind != "genuine":
        found = photo_with_mesh(rng, photos, others, locate, np.ptp(points[0, :, 0]))
        if found is None:
            return None
        photo, mesh = found
        if kind in ("swap", "blend"):
            pictures, points = swap(rng, pictures, points, photo, mesh, kind)
        else:
            pictures, points = photo_driven(rng, photo, mesh, points if kind == "driven" else None, n, step_s)
    if rng.random() < 0.85:
        pictures, points = post(list(pictures), np.asarray(points, np.float32), rng)
    if step_s < 0.09 and rng.random() < 0.25:
        pictures, points, step_s = list(pictures)[::2], points[::2], 2 * step_s
    return list(pictures), np.asarray(points, np.float32), step_s
