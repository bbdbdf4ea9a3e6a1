"""What to say to the person, in seven languages.

Goal: short, polite sentences that need no schooling, one per movement, each saying how it ends; left and
right are the person's own.

Public items: :data:`LANGUAGES`, :func:`phrase`.
"""

from __future__ import annotations

from typing import Literal

from idverify.challenge.actions import Action
from idverify.errors import ParameterError

__all__ = ["LANGUAGES", "Extra", "phrase"]

Extra = Literal["ready", "light"]

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "ready": "Look straight at the camera.",
        "light": "Look at the screen and keep still while its colour changes.",
        "turn_left": "Turn your head far to your left, hold it there for a second, then look straight ahead again.",
        "turn_right": "Turn your head far to your right, hold it there for a second, then look straight ahead again.",
        "look_up": "Raise your chin and look up, then look straight ahead again.",
        "look_down": "Lower your chin and look down, then look straight ahead again.",
        "open_mouth": "Open your mouth wide, then close it again.",
        "blink_twice": "Blink slowly, twice.",
        "smile": "Give a wide smile, then relax your face again.",
        "come_closer": "Bring your face much closer to the camera, until it fills half of the picture, then go back.",
        "move_back": "Move your face far away from the camera, then come back.",
    },
    "es": {
        "ready": "Mire de frente a la cámara.",
        "light": "Mire la pantalla sin moverse mientras cambia de color.",
        "turn_left": "Gire bien la cabeza hacia su izquierda, manténgala así un segundo y vuelva a mirar de frente.",
        "turn_right": "Gire bien la cabeza hacia su derecha, manténgala así un segundo y vuelva a mirar de frente.",
        "look_up": "Levante la barbilla, mire hacia arriba y vuelva a mirar de frente.",
        "look_down": "Baje la barbilla, mire hacia abajo y vuelva a mirar de frente.",
        "open_mouth": "Abra bien la boca y vuelva a cerrarla.",
        "blink_twice": "Parpadee despacio dos veces.",
        "smile": "Sonría ampliamente y luego relaje la cara.",
        "come_closer": "Acerque mucho la cara a la cámara, hasta que llene media imagen, y vuelva a su posición.",
        "move_back": "Aleje mucho la cara de la cámara y vuelva a su posición.",
    },
    "fr": {
        "ready": "Regardez la caméra bien en face.",
        "light": "Regardez l'écran sans bouger pendant que sa couleur change.",
        "turn_left": "Tournez bien la tête vers votre gauche, restez ainsi une seconde, puis revenez de face.",
        "turn_right": "Tournez bien la tête vers votre droite, restez ainsi une seconde, puis revenez de face.",
        "look_up": "Levez le menton et regardez vers le haut, puis de nouveau en face.",
        "look_down": "Baissez le menton et regardez vers le bas, puis de nouveau en face.",
        "open_mouth": "Ouvrez grand la bouche, puis refermez-la.",
        "blink_twice": "Clignez lentement des yeux, deux fois.",
        "smile": "Faites un grand sourire, puis détendez le visage.",
        "come_closer": "Approchez bien votre visage de la caméra, jusqu'à remplir la moitié de l'image, puis reculez.",
        "move_back": "Éloignez bien votre visage de la caméra, puis revenez.",
    },
    "pt": {
        "ready": "Olhe de frente para a câmera.",
        "light": "Olhe para a tela sem se mexer enquanto a cor muda.",
        "turn_left": "Vire bem a cabeça para a sua esquerda, fique assim um segundo e volte a olhar de frente.",
        "turn_right": "Vire bem a cabeça para a sua direita, fique assim um segundo e volte a olhar de frente.",
        "look_up": "Levante o queixo, olhe para cima e volte a olhar de frente.",
        "look_down": "Baixe o queixo, olhe para baixo e volte a olhar de frente.",
        "open_mouth": "Abra bem a boca e feche-a de novo.",
        "blink_twice": "Pisque os olhos devagar, duas vezes.",
        "smile": "Dê um sorriso largo e depois relaxe o rosto.",
        "come_closer": "Aproxime bem o rosto da câmera, até encher metade da imagem, e volte à posição.",
        "move_back": "Afaste bem o rosto da câmera e volte à posição.",
    },
    "zh": {
        "ready": "请正视镜头。",
        "light": "屏幕颜色变化时，请看着屏幕，保持不动。",
        "turn_left": "请把头尽量转向您的左边，停一秒，然后转回正面。",
        "turn_right": "请把头尽量转向您的右边，停一秒，然后转回正面。",
        "look_up": "请抬头向上看，然后转回正面。",
        "look_down": "请低头向下看，然后转回正面。",
        "open_mouth": "请张大嘴巴，然后闭上。",
        "blink_twice": "请慢慢眨两次眼。",
        "smile": "请露出大大的笑容，然后放松面部。",
        "come_closer": "请把脸凑近镜头，直到占满半个画面，然后退回原位。",
        "move_back": "请把脸尽量远离镜头，然后回到原位。",
    },
    "ar": {
        "ready": "انظر مباشرة إلى الكاميرا.",
        "light": "انظر إلى الشاشة وابقَ ثابتًا بينما يتغيّر لونها.",
        "turn_left": "أدر رأسك كثيرًا إلى يسارك، وابقَ هكذا ثانية، ثم انظر إلى الأمام من جديد.",
        "turn_right": "أدر رأسك كثيرًا إلى يمينك، وابقَ هكذا ثانية، ثم انظر إلى الأمام من جديد.",
        "look_up": "ارفع ذقنك وانظر إلى الأعلى، ثم انظر إلى الأمام من جديد.",
        "look_down": "اخفض ذقنك وانظر إلى الأسفل، ثم انظر إلى الأمام من جديد.",
        "open_mouth": "افتح فمك جيدًا، ثم أغلقه.",
        "blink_twice": "أغمض عينيك وافتحهما ببطء مرتين.",
        "smile": "ابتسم ابتسامة عريضة، ثم أرخِ وجهك.",
        "come_closer": "قرّب وجهك كثيرًا من الكاميرا حتى يملأ نصف الصورة، ثم عد إلى مكانك.",
        "move_back": "أبعد وجهك كثيرًا عن الكاميرا، ثم عد إلى مكانك.",
    },
    "hi": {
        "ready": "सीधे कैमरे की ओर देखें।",
        "light": "स्क्रीन का रंग बदलते समय स्क्रीन को देखें और स्थिर रहें।",
        "turn_left": "अपना सिर अपनी बाईं ओर काफ़ी घुमाएँ, एक सेकंड रुकें, फिर सीधे सामने देखें।",
        "turn_right": "अपना सिर अपनी दाईं ओर काफ़ी घुमाएँ, एक सेकंड रुकें, फिर सीधे सामने देखें।",
        "look_up": "ठुड्डी उठाकर ऊपर देखें, फिर सीधे सामने देखें।",
        "look_down": "ठुड्डी झुकाकर नीचे देखें, फिर सीधे सामने देखें।",
        "open_mouth": "अपना मुँह पूरा खोलें, फिर बंद करें।",
        "blink_twice": "धीरे-धीरे दो बार पलकें झपकाएँ।",
        "smile": "खुलकर मुस्कुराएँ, फिर चेहरा ढीला छोड़ दें।",
        "come_closer": "अपना चेहरा कैमरे के बहुत पास लाएँ, जब तक वह आधी तस्वीर न भर दे, फिर वापस जाएँ।",
        "move_back": "अपना चेहरा कैमरे से काफ़ी दूर ले जाएँ, फिर वापस आएँ।",
    },
}

LANGUAGES: tuple[str, ...] = tuple(_WORDS)


def phrase(what: Action | Extra, language: str = "en") -> str:
    """Return what to say for a movement, before the start (``ready``), or during the colours (``light``).

    Parameters
    ----------
    what
        The movement, or ``ready`` or ``light``.
    language
        One of :data:`LANGUAGES`; a region is ignored (``pt-BR``). Arabic is written right to left.

    Raises
    ------
    ParameterError
        The language is not one of :data:`LANGUAGES`.

    Examples
    --------
    >>> phrase(Action.BLINK_TWICE, "es")
    'Parpadee despacio dos veces.'
    """
    words = _WORDS.get(language.replace("_", "-").split("-")[0].lower())
    if words is None:
        raise ParameterError(f"no words in {language!r}; expected one of {', '.join(LANGUAGES)}")
    return words[what.value if isinstance(what, Action) else what]
